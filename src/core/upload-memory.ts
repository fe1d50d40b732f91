import { abortError } from './abort.js'
import { StorageError } from './errors.js'
import { parseSize } from './size.js'

/** Room for twenty parts of the usual 8 MiB. */
const DEFAULT_LIMIT = 160 * 1024 * 1024

/** Milliseconds without an upload after which memory that was used is let go. */
const MAX_IDLE = 10_000

/** Milliseconds until an upload that waits for memory is turned away. */
const MAX_WAIT = 120_000

interface Waiting {
  readonly bytes: number
  readonly grant: () => void
}

/**
 * A budget for the parts of uploads that lie in memory, shared by all drivers that are given the same one. Without
 * it, memory would grow with the number of uploads whose backend or sender is slow.
 *
 * The first part of an upload waits in line; further ones are a gift, made only while nobody waits. So an upload that
 * holds one part never waits for another upload: it sends that part and fills it again. Nobody waits while holding
 * nothing that others need, and so no two uploads can wait for each other.
 *
 * @example
 * const memory = new UploadMemory('64mb')
 * new S3Driver({ bucket: 'acme-files', memory })
 */
export class UploadMemory {
  /** In bytes. */
  readonly limit: number
  readonly #line: Waiting[] = []
  /** Laid out, and used by nobody. Fresh memory costs more time than copying a part into it. */
  #idle: ArrayBufferLike[] = []
  /** What V8 does not count, as far as it is not collected yet. */
  #uncounted: WeakRef<SharedArrayBuffer>[] = []
  #timer: NodeJS.Timeout | undefined
  #used = 0

  /**
   * @param limit bytes, or text such as `'64mb'`
   * @throws ERR_CONFIG
   */
  constructor(limit: number | string = DEFAULT_LIMIT) {
    this.limit = parseSize(limit)
  }

  /** Bytes that uploads hold now. */
  get used(): number {
    return this.#used
  }

  /** Uploads that wait for their first part now. */
  get waiting(): number {
    return this.#line.length
  }

  /**
   * Takes `bytes`, as soon as there is room and everybody who came earlier has theirs. Parts larger than the whole
   * budget go one at a time.
   *
   * @throws ERR_BUSY after two minutes, the signal's reason when it aborts
   */
  async reserve(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.tryReserve(bytes)) return
    await new Promise<void>((resolve, reject) => {
      const leave = (error: unknown) => {
        this.#line.splice(this.#line.indexOf(waiting), 1)
        reject(error)
        // Whoever stood behind may fit where this one did not.
        this.#grant()
      }
      const onAbort = () => {
        clearTimeout(timer)
        leave(abortError(signal))
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        leave(new StorageError('ERR_BUSY', 'Too many large uploads are under way: try again later.'))
      }, MAX_WAIT)
      const grant = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const waiting = { bytes, grant }
      this.#line.push(waiting)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) onAbort()
    })
  }

  /** Takes `bytes` if there is room and nobody waits. */
  tryReserve(bytes: number): boolean {
    if (this.#line.length > 0 || !this.#fits(bytes)) return false
    this.#used += bytes
    return true
  }

  release(bytes: number): void {
    this.#used -= bytes
    this.#grant()
  }

  /** Memory for `bytes` that were reserved. What is in it is anybody's. */
  layOut(bytes: number): ArrayBufferLike {
    const found = this.#idle.findIndex(({ byteLength }) => byteLength === bytes)
    return this.#idle.splice(found, found < 0 ? 0 : 1)[0] ?? this.#make(bytes)
  }

  /**
   * V8 counts memory outside of its heap, and what one upload lays out at its beginning was enough to have it collect the
   * whole heap again and again ("Uploads", docs/reference/benchmarks.md). Not so a SharedArrayBuffer, though nobody shares
   * it. But its garbage does not hurry V8 either, so there is never more of it than the budget.
   */
  #make(bytes: number): ArrayBufferLike {
    const alive = this.#uncounted.flatMap(each => each.deref() ?? [])
    this.#uncounted = alive.map(each => new WeakRef(each))
    if (alive.reduce((sum, { byteLength }) => sum + byteLength, bytes) > this.limit)
      return Buffer.allocUnsafeSlow(bytes).buffer
    const memory = new SharedArrayBuffer(bytes)
    this.#uncounted.push(new WeakRef(memory))
    return memory
  }

  /** Takes memory back that nobody reads any more, for the next upload. */
  recycle(memory: ArrayBufferLike): void {
    this.#idle.push(memory)
    let bytes = this.#used
    this.#idle = this.#idle.filter(({ byteLength }) => {
      bytes += byteLength
      return bytes <= this.limit
    })
    this.#timer ??= setTimeout(() => {
      this.#idle = []
    }, MAX_IDLE).unref()
    this.#timer.refresh()
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.limit
  }

  #grant(): void {
    for (let first = this.#line[0]; first !== undefined && this.#fits(first.bytes); first = this.#line[0]) {
      this.#line.shift()
      this.#used += first.bytes
      first.grant()
    }
  }
}

/** What drivers share that are given none of their own: one budget for the process. */
export const sharedUploadMemory = new UploadMemory()
