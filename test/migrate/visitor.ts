import { inLanes } from '../../src/core/in-lanes.js'
import { contentOf } from './delivery.js'
import type { MovingTown } from './moving-town.js'

/** A row as the application answers with it. */
export interface Row {
  readonly id: number
  readonly tenant: string
  readonly file: { readonly name: string; readonly url: string }
}

/** Milliseconds. */
const PATIENCE = 30_000
const AT_ONCE = 4

/**
 * Whoever uses the application, over HTTP: lists rows, opens files by the addresses in the answer, uploads, replaces and
 * removes.
 */
export class Visitor {
  /** Files that were read, and held what they should. */
  reads = 0
  /** The rows of which a file was read too late: it was replaced or removed at that moment, or before. */
  readonly late = new Set<number>()
  /** Whatever else went wrong. */
  readonly failures: string[] = []
  /** The rows of which a file was read. */
  readonly seen = new Set<number>()
  /** What the file of each row is called by now. */
  readonly names = new Map<number, string>()

  readonly #town: MovingTown
  /** Rows whose file somebody has set out to replace or to remove. */
  readonly #given = new Set<number>()

  constructor(town: MovingTown) {
    this.#town = town
  }

  async list(tenant: string): Promise<readonly Row[]> {
    const response = await this.#ask('GET', tenant, '')
    return response?.ok ? ((await response.json()) as Row[]) : []
  }

  /** Opens the files of all rows, each once. */
  async readAll(isOver = () => false): Promise<void> {
    for (const tenant of this.#town.tenants) {
      if (isOver()) return
      await inLanes(await this.list(tenant), AT_ONCE, row => this.open(row))
    }
  }

  /**
   * Opens a file and compares every byte. It has failed unless all of them come; only where somebody had set out to
   * replace or remove this file before the answer was there, and the row really holds another one now or is gone, may
   * there be nothing. Never may there be anything else.
   */
  async open(row: Row): Promise<void> {
    const answer = await this.#answerOf(row)
    if (answer === 'whole') {
      this.reads++
      this.seen.add(row.id)
    } else if (answer !== 'other bytes' && (await this.#isGivenUp(row))) this.late.add(row.id)
    else
      this.failures.push(
        `${row.tenant} reads ${row.id} at ${new URL(row.file.url, this.#town.site).host}: ${answer}`,
      )
  }

  async upload(tenant: string, name: string): Promise<number | undefined> {
    const id = await this.#send('POST', tenant, '', name)
    if (id !== undefined) this.names.set(id, name)
    return id
  }

  async replace({ id, tenant }: Pick<Row, 'id' | 'tenant'>, name: string): Promise<void> {
    this.#given.add(id)
    if ((await this.#send('PUT', tenant, `/${id}`, name)) !== undefined) this.names.set(id, name)
  }

  async remove({ id, tenant }: Pick<Row, 'id' | 'tenant'>): Promise<void> {
    this.#given.add(id)
    if ((await this.#ask('DELETE', tenant, `/${id}`))?.ok) this.names.delete(id)
  }

  /** @returns the row's id */
  async #send(method: string, tenant: string, path: string, name: string): Promise<number | undefined> {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(contentOf(name))]), name)
    const response = await this.#ask(method, tenant, path, form)
    return response?.ok ? ((await response.json()) as Row).id : undefined
  }

  async #ask(method: string, tenant: string, path: string, body?: FormData): Promise<Response | undefined> {
    const what = `${tenant} ${method} ${path}`
    try {
      const signal = AbortSignal.timeout(PATIENCE)
      const headers = { 'x-tenant': tenant }
      const response = await fetch(`${this.#town.site}/deliveries${path}`, { method, headers, signal, body })
      if (!response.ok) this.failures.push(`${what}: ${response.status} ${await response.text()}`)
      return response
    } catch (error) {
      this.failures.push(`${what}: ${error}`)
      return undefined
    }
  }

  /** `whole`, or what came instead. */
  async #answerOf({ tenant, file }: Row): Promise<string> {
    try {
      const url = new URL(file.url, this.#town.site)
      const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) })
      const bytes = Buffer.from(await response.arrayBuffer())
      if (!response.ok) return response.status === 404 ? 'nothing' : `${response.status} ${bytes}`
      const isHers = file.name.split(' ')[1] === tenant
      return isHers && bytes.equals(contentOf(file.name)) ? 'whole' : 'other bytes'
    } catch (error) {
      return String(error)
    }
  }

  async #isGivenUp({ id, file }: Row): Promise<boolean> {
    if (!this.#given.has(id)) return false
    const now = await this.#town.deliveries.findOneBy({ id })
    return now?.file?.name !== file.name
  }
}
