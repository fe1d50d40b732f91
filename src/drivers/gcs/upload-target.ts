import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutOptions, PutResult } from '../../core/driver.js'
import type { GcsCalls } from './gcs-calls.js'
import { failureOf } from './gcs-errors.js'
import { readResource } from './get-object.js'
import { type ObjectResource, quoted } from './resource.js'

/** Metadata by which an upload knows its own object again: `x-goog-meta-put-id`. */
const MARK = 'put-id'

/** Milliseconds for finding out, after a failure, what became of an upload. */
const INQUIRY_TIME = 5_000
/** A request that was cut off may still be at work for a moment. */
const SECOND_LOOK = 500

/** One object on its way: where it goes, with what metadata, and how to recognise it afterwards. */
export class UploadTarget {
  readonly calls: GcsCalls
  readonly key: string
  readonly options: PutOptions
  readonly #mark = randomUUID()

  constructor(calls: GcsCalls, key: string, options: PutOptions) {
    this.calls = calls
    this.key = key
    this.options = options
  }

  /** What goes with every request of the upload. */
  get call(): BackendCall & { key: string } {
    return { operation: 'put', key: this.key, signal: this.options.signal }
  }

  /** Parameters that name the object; generation 0 stands for none ("Request preconditions", Cloud Storage). */
  get query(): Record<string, string> {
    const { ifNoneMatch, encryption } = this.options
    return {
      name: this.key,
      ...(ifNoneMatch === '*' ? { ifGenerationMatch: '0' } : {}),
      ...(encryption?.keyId === undefined ? {} : { kmsKeyName: encryption.keyId }),
    }
  }

  /** How the object is stored. There is never an ACL: who may read is the bucket's business. */
  get resource(): ObjectResource {
    const { contentType, contentDisposition, cacheControl, storageClass } = this.options
    return {
      contentType,
      ...(contentDisposition === undefined ? {} : { contentDisposition }),
      ...(cacheControl === undefined ? {} : { cacheControl }),
      ...(storageClass === undefined ? {} : { storageClass }),
      metadata: { [MARK]: this.#mark },
    }
  }

  result(size: number, { etag }: ObjectResource): PutResult {
    return { size, ...(etag === undefined ? {} : { etag: quoted(etag) }) }
  }

  /**
   * Says what became of an upload whose last request failed. Where that request may have been carried out all the
   * same (a time-out, a lost answer, a second attempt that met the first one's object), the object is looked for:
   *
   * - It carries our mark: the upload did succeed. It is kept, unless the caller aborted; then it goes.
   * - It carries another mark or none: it is somebody else's and is never touched.
   * - It is not there: the failure stands. A request that is still at work in the backend can make the object
   *   appear later. No client can prevent that; the ledger deletes a failed upload's key once more after a day.
   */
  async settle(failure: unknown, size: number): Promise<PutResult> {
    if (!mayHaveHappened(failure)) throw failure
    const found = await this.#findOwn()
    if (found === undefined) throw failure
    if (!this.options.signal?.aborted && Number(found.size) === size) return this.result(size, found)
    await this.remove(found)
    throw failure
  }

  /** Best effort. Exactly this generation, so that an object which replaced ours in the meantime stays. */
  async remove({ generation }: ObjectResource): Promise<void> {
    if (generation === undefined) return
    const url = this.calls.objectUrl(this.key, { generation })
    await this.calls.send(this.#inquiry, { method: 'DELETE', url }).catch(() => {})
  }

  /** Our own object, if it is there. Never rejects. */
  async #findOwn(): Promise<ObjectResource | undefined> {
    for (const pause of [0, SECOND_LOOK]) {
      await sleep(pause)
      const found = await readResource(this.calls, this.#inquiry).catch(() => undefined)
      if (found !== undefined) return found.metadata?.[MARK] === this.#mark ? found : undefined
    }
    return undefined
  }

  /** Whoever aborted. */
  get #inquiry(): BackendCall & { key: string } {
    return { operation: 'put', key: this.key, within: INQUIRY_TIME }
  }
}

/** Whether the backend may have stored the object although we know of a failure only. */
function mayHaveHappened(error: unknown): boolean {
  const { status } = failureOf(error) ?? {}
  if (status === undefined || status >= 500 || status === 408) return true
  // A second try may have met the object of the first one, whose answer was lost.
  return status === 412
}
