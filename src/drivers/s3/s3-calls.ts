import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3'
import { type BackendCall, BackendCalls } from '../../core/backend-calls.js'
import type { S3Limits } from './options.js'
import { bucketNotFound, isBareNotFound, isTransient, retryAfter, toStorageError } from './s3-errors.js'

/** What goes with a command of the SDK, so that it ends. */
export interface HttpOptions {
  abortSignal: AbortSignal
  requestTimeout?: number
}

/** Sends commands of the SDK, as {@link BackendCalls} says. */
export class S3Calls {
  readonly client: S3Client
  readonly bucket: string
  readonly limits: S3Limits
  readonly #calls: BackendCalls
  readonly #ownsClient: boolean
  #bucketSeen = false

  constructor(client: S3Client, bucket: string, limits: S3Limits, ownership: 'own' | 'shared') {
    this.client = client
    this.bucket = bucket
    this.limits = limits
    this.#ownsClient = ownership === 'own'
    const toError = (error: unknown, call: BackendCall) => toStorageError(error, { ...call, bucket })
    const rules = { toError, isTransient, retryAfter }
    this.#calls = new BackendCalls(limits, rules, this.#ownsClient ? 'own' : 'foreign')
  }

  /** Runs `send`, once or several times, with what ends it. */
  async run<T>(call: BackendCall, send: (http: HttpOptions) => Promise<T>): Promise<T> {
    const answer = await this.#calls.run(call, signal => send(this.#httpOptions(call, signal)))
    this.#bucketSeen = true
    return answer
  }

  /**
   * Like {@link run}, for HEAD requests. S3 answers a missing key and a missing bucket alike there, so the bucket
   * is looked for once; after any success it is known to be there.
   */
  async runHead<T>(call: BackendCall, send: (http: HttpOptions) => Promise<T>): Promise<T> {
    try {
      return await this.run(call, send)
    } catch (error) {
      if (isBareNotFound(error) && !this.#bucketSeen) await this.#assertBucket(call)
      throw error
    }
  }

  async #assertBucket(call: BackendCall): Promise<void> {
    try {
      await this.run(call, http => this.client.send(new HeadBucketCommand({ Bucket: this.bucket }), http))
    } catch (error) {
      // Anything else, a 403 for example, does not say that the bucket is missing.
      if (isBareNotFound(error)) throw bucketNotFound({ ...call, bucket: this.bucket }, error)
    }
  }

  #httpOptions(call: BackendCall, abortSignal: AbortSignal): HttpOptions {
    // A foreign client's handler may only warn about a late answer, on the console: leave its own time-outs alone.
    return this.#ownsClient ? { abortSignal, requestTimeout: this.#calls.requestTime(call) } : { abortSignal }
  }
}
