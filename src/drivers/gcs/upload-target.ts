import { randomUUID } from 'node:crypto'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutOptions, PutResult } from '../../core/driver.js'
import { type Inquiry, inquiryInto, recoverUpload } from '../../core/lost-answer.js'
import type { GcsCalls } from './gcs-calls.js'
import { failureOf } from './gcs-errors.js'
import { readResource } from './get-object.js'
import { type ObjectResource, quoted } from './resource.js'

/** Metadata by which an upload knows its own object again: `x-goog-meta-put-id`. */
const MARK = 'put-id'

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

  /** Says what became of an upload whose last request failed, as {@link recoverUpload} finds out. */
  async settle(failure: unknown, size: number): Promise<PutResult> {
    if (!mayHaveHappened(failure)) throw failure
    const found = await recoverUpload(failure, {
      key: this.key,
      look: inquiry => readResource(this.calls, inquiry),
      isOwn: ({ metadata }) => metadata?.[MARK] === this.#mark,
      isWanted: object => !this.options.signal?.aborted && Number(object.size) === size,
      remove: (object, inquiry) => this.#remove(object, inquiry),
    })
    return this.result(size, found)
  }

  /** Best effort, for what the backend made of a body that came over wrong. */
  async remove(object: ObjectResource): Promise<void> {
    await this.#remove(object, inquiryInto(this.key)).catch(() => {})
  }

  /** Exactly this generation, so that an object which replaced ours in the meantime stays. */
  async #remove({ generation }: ObjectResource, inquiry: Inquiry): Promise<void> {
    if (generation === undefined) return
    await this.calls.send(inquiry, { method: 'DELETE', url: this.calls.objectUrl(this.key, { generation }) })
  }
}

/** Whether the backend may have stored the object although we know of a failure only. */
function mayHaveHappened(error: unknown): boolean {
  const { status } = failureOf(error) ?? {}
  if (status === undefined || status >= 500 || status === 408) return true
  // A second try may have met the object of the first one, whose answer was lost.
  return status === 412
}
