import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3'
import { abortError, untilAborted } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import type { S3Limits } from './options.js'
import { bucketNotFound, isBareNotFound, toStorageError } from './s3-errors.js'

/** What goes with a command of the SDK, so that it ends. */
export interface HttpOptions {
  abortSignal: AbortSignal
  requestTimeout?: number
}

export interface Call {
  operation: string
  key?: string
  signal?: AbortSignal
  /** Bytes to send; they get the time that a slow line needs. */
  bytes?: number
  /** A request that S3 may work on for minutes: copying, putting parts together. */
  slow?: boolean
  /** Milliseconds for everything, retries included, instead of what follows from the options. */
  within?: number
}

/** The slowest line that an upload is waited for: 64 KiB a second. */
const BYTES_PER_MS = 65.536
const SLOW_FACTOR = 10
/** For the SDK's pauses between attempts. */
const BACKOFF = 5_000

/**
 * Sends commands of the SDK: each one ends in time, listens to the caller's signal at every moment (older SDKs do
 * not while they pause between attempts) and rejects with a StorageError.
 */
export class S3Calls {
  readonly client: S3Client
  readonly bucket: string
  readonly limits: S3Limits
  readonly #ownsClient: boolean
  #bucketSeen = false

  constructor(client: S3Client, bucket: string, limits: S3Limits, ownership: 'own' | 'shared') {
    this.client = client
    this.bucket = bucket
    this.limits = limits
    this.#ownsClient = ownership === 'own'
  }

  /** Runs `send` with what ends it. */
  async run<T>(call: Call, send: (http: HttpOptions) => Promise<T>): Promise<T> {
    const stop = new AbortController()
    const onAbort = () => stop.abort(abortError(call.signal, call))
    if (call.signal?.aborted) throw abortError(call.signal, call)
    call.signal?.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => stop.abort(timeoutError(call)), this.#deadline(call))
    try {
      const answer = await untilAborted(send(this.#httpOptions(call, stop.signal)), stop.signal)
      this.#bucketSeen = true
      return answer
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : toStorageError(error, { ...call, bucket: this.bucket })
    } finally {
      clearTimeout(timer)
      call.signal?.removeEventListener('abort', onAbort)
    }
  }

  /**
   * Like {@link run}, for HEAD requests. S3 answers a missing key and a missing bucket alike there, so the bucket
   * is looked for once; after any success it is known to be there.
   */
  async runHead<T>(call: Call, send: (http: HttpOptions) => Promise<T>): Promise<T> {
    try {
      return await this.run(call, send)
    } catch (error) {
      if (isBareNotFound(error) && !this.#bucketSeen) await this.#assertBucket(call)
      throw error
    }
  }

  async #assertBucket(call: Call): Promise<void> {
    try {
      await this.run(call, http => this.client.send(new HeadBucketCommand({ Bucket: this.bucket }), http))
    } catch (error) {
      // Anything else, a 403 for example, does not say that the bucket is missing.
      if (isBareNotFound(error)) throw bucketNotFound({ ...call, bucket: this.bucket }, error)
    }
  }

  #requestTime(call: Call): number {
    return (
      this.limits.requestTimeout * (call.slow ? SLOW_FACTOR : 1) + Math.ceil((call.bytes ?? 0) / BYTES_PER_MS)
    )
  }

  /** The handler ends every attempt of our own client; this ends them all together, and a foreign client's. */
  #deadline(call: Call): number {
    return (
      call.within ??
      (this.limits.connectTimeout + this.#requestTime(call)) * this.limits.maxAttempts + BACKOFF
    )
  }

  #httpOptions(call: Call, abortSignal: AbortSignal): HttpOptions {
    // A foreign client's handler may only warn about a late answer, on the console: leave its own time-outs alone.
    return this.#ownsClient ? { abortSignal, requestTimeout: this.#requestTime(call) } : { abortSignal }
  }
}

function timeoutError({ operation, key }: Call): StorageError {
  return new StorageError('ERR_BACKEND_TIMEOUT', 'The storage did not answer in time.', { operation, key })
}
