import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { StorageError } from '../../core/errors.js'
import type { FileAddress } from '../../core/stored-file.js'
import { runWithTenant } from '../../core/tenant.js'
import { type SlowPart, sendSlowly } from '../slow-body.js'
import { strangers } from './callers.js'
import { Findings } from './findings.js'
import type { IsolationCaller, TenantIsolationOptions } from './options.js'
import { type Answer, ask, isUnsendable, NO_ANSWER, type Question, sendable } from './site.js'

const UPLOAD_LIMIT = 30_000

/** A file that was uploaded, as its owner and as the storage know it. */
export interface Uploaded<Row> {
  readonly row: Row
  /** The name that nothing else has. */
  readonly name: string
  readonly bytes: Buffer
  /** Where its objects lie; mostly one. */
  readonly addresses: readonly FileAddress[]
}

/** One run over one application: who is who, and how to ask. */
export class Inspection<Row> {
  readonly findings = new Findings()
  readonly owner: IsolationCaller
  readonly other: IsolationCaller
  readonly strangers: readonly IsolationCaller[]

  constructor(
    readonly options: TenantIsolationOptions<Row>,
    readonly origin: string,
  ) {
    const [owner, other] = options.tenants
    if (owner === other) throw new StorageError('ERR_CONFIG', '`tenants` has to name two different tenants.')
    this.owner = { memberOf: owner, actsFor: owner }
    this.other = { memberOf: other, actsFor: other }
    this.strangers = strangers(owner, other)
  }

  /** Asks as a caller. @returns undefined where no client can send such a request */
  async ask(caller: IsolationCaller, path: string, question: Question = {}): Promise<Answer | undefined> {
    const { headers, prefix = '' } = this.options.as(caller)
    const all = { ...headers, ...question.headers }
    return ask(this.origin + prefix + path, { ...question, headers: all })
  }

  /**
   * Uploads the sample on a bad line: the body comes late and in pieces, as AsyncLocalStorage is lost then.
   *
   * @param more fields in front of the file, and a query
   */
  async send(
    caller: IsolationCaller,
    name: string,
    more: { fields?: Readonly<Record<string, string>>; query?: string } = {},
  ): Promise<Answer> {
    const { method, path, field, file, fields } = this.options.upload
    const { headers = {}, prefix = '' } = this.options.as(caller)
    const values = Object.entries({ ...fields, ...more.fields }).map(
      ([each, body]): SlowPart => ({ name: each, body }),
    )
    const parts = [...values, { name: field, filename: name, contentType: file.contentType, body: file.body }]
    const size = Buffer.byteLength(file.body)
    try {
      return await sendSlowly({
        url: this.origin + prefix + path + (more.query ?? ''),
        method,
        headers: sendable(headers),
        parts,
        chunkSize: Math.max(256, Math.ceil(size / 4)),
        delay: 2,
        signal: AbortSignal.timeout(UPLOAD_LIMIT),
      })
    } catch (error) {
      if (isUnsendable(error) || StorageError.is(error, 'ERR_UPLOAD_ABORTED')) return NO_ANSWER
      throw error
    }
  }

  /** Uploads as a tenant, and finds out where it landed. @returns undefined, and a finding, where it cannot */
  async upload(caller: IsolationCaller): Promise<Uploaded<Row> | undefined> {
    const before = await this.objectsOf(caller.actsFor)
    const name = this.newName()
    const { status, body } = await this.send(caller, name)
    const row = isSuccess(status) ? parsed<Row>(body) : undefined
    const addresses = (await this.objectsOf(caller.actsFor)).filter(each => !has(before, each))
    if (row !== undefined && addresses.length > 0)
      return { row, name, bytes: Buffer.from(this.options.upload.file.body), addresses }
    this.findings.add(`Nothing is proved: ${whyNot(caller, status, row)}`)
    return undefined
  }

  /** A name of its own, with the sample's extension. */
  newName(): string {
    return `isolation-${randomUUID()}${path.extname(this.options.upload.file.name)}`
  }

  /** All that lies under a tenant, on every disk that keeps tenants apart. */
  async objectsOf(tenant: string | null): Promise<FileAddress[]> {
    if (tenant === null) return []
    const { storage } = this.options
    const disks = storage.diskNames.map(name => storage.disk(name))
    return runWithTenant(tenant, async () => {
      const found: FileAddress[] = []
      for (const disk of disks.filter(({ options }) => options.tenancy === 'required'))
        for await (const { key } of disk.list()) found.push(disk.address(key, 'list'))
      return found
    })
  }
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/** Whether an object is among others. */
export function has(objects: readonly FileAddress[], { disk, key }: FileAddress): boolean {
  return objects.some(each => each.disk === disk && each.key === key)
}

/** JSON, or undefined. */
export function parsed<T>(body: Buffer): T | undefined {
  try {
    return JSON.parse(body.toString()) as T
  } catch {
    return undefined
  }
}

function whyNot({ actsFor }: IsolationCaller, status: number, row: unknown): string {
  const upload = `the upload by a member of "${actsFor}"`
  if (!isSuccess(status)) return `${upload} is answered ${status || 'by nothing'}`
  return row === undefined
    ? `${upload} is not answered by JSON`
    : `${upload} left no object under "${actsFor}"`
}
