import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3'
import type { Attempt } from '../../core/attempt.js'
import { type BackendCall, BackendCalls } from '../../core/backend-calls.js'
import { BucketHome } from './bucket-home.js'
import type { S3Limits } from './options.js'
import {
  bucketNotFound,
  isBareNotFound,
  isTransient,
  regionOf,
  retryAfter,
  toStorageError,
} from './s3-errors.js'

/** What goes with a command of the SDK, so that it ends. */
export interface HttpOptions {
  abortSignal: AbortSignal
  requestTimeout?: number
}

/** Sends commands of the SDK, and requests of our own, as {@link BackendCalls} says. */
export class S3Calls {
  readonly client: S3Client
  readonly bucket: string
  readonly limits: S3Limits
  readonly home: BucketHome
  readonly #ownsClient: boolean
  readonly #calls: BackendCalls
  #direct: BackendCalls
  #bucketSeen = false

  constructor(client: S3Client, bucket: string, limits: S3Limits, ownership: 'own' | 'shared') {
    this.client = client
    this.bucket = bucket
    this.limits = limits
    this.home = new BucketHome(client, bucket, ownership)
    this.#ownsClient = ownership === 'own'
    this.#calls = this.#withTries(limits, this.#ownsClient ? 'own' : 'foreign')
    this.#direct = this.#ownsClient ? this.#calls : this.#withTries(limits, 'own')
  }

  /** For requests of our own beside a client of the application: as many tries as that has. */
  async adoptTries(): Promise<void> {
    if (this.#ownsClient) return
    const maxAttempts = Math.max(1, await this.client.config.maxAttempts())
    this.#direct = this.#withTries({ ...this.limits, maxAttempts }, 'own')
  }

  /** Runs `send`, which sends a command of the SDK, once or several times, with what ends it. */
  async run<T>(call: BackendCall, send: (http: HttpOptions) => Promise<T>): Promise<T> {
    const answer = await this.#calls.run(call, attempt => {
      const http = this.#httpOptions(call, attempt.signal)
      return this.#ownsClient ? this.#following(() => send(http)) : send(http)
    })
    this.#bucketSeen = true
    return answer
  }

  /** The same for what `send` sends by itself, to the address of {@link home}. */
  runDirect<T>(call: BackendCall, send: (attempt: Attempt) => Promise<T>): Promise<T> {
    return this.#direct.run(call, attempt => this.#following(() => send(attempt)))
  }

  /** Milliseconds for one try of a call. */
  requestTime(call: BackendCall): number {
    return this.#calls.requestTime(call)
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

  /** Sends once more where the answer says that the bucket lies in another region. */
  #following<T>(send: () => Promise<T>): Promise<T> {
    const before = this.home.version
    return send().then(
      answer => {
        this.#bucketSeen = true
        return answer
      },
      async error => {
        await this.#moveIfTold(error, before)
        return send()
      },
    )
  }

  /** @throws the error itself, where it names no other region than that of the address with the number `before` */
  async #moveIfTold(error: unknown, before: number): Promise<void> {
    const region = regionOf(error)
    if (region === undefined) throw error
    // Many requests may be told at the same time; one of them moves.
    if (this.home.version === before) await this.home.moveTo(region)
    if (this.home.version === before) throw error
  }

  #withTries(limits: S3Limits, tries: 'own' | 'foreign'): BackendCalls {
    const { bucket } = this
    const toError = (error: unknown, call: BackendCall) => toStorageError(error, { ...call, bucket })
    return new BackendCalls(limits, { toError, isTransient, retryAfter }, tries)
  }

  #httpOptions(call: BackendCall, abortSignal: AbortSignal): HttpOptions {
    // A foreign client's handler may only warn about a late answer, on the console: leave its own time-outs alone.
    return this.#ownsClient ? { abortSignal, requestTimeout: this.#calls.requestTime(call) } : { abortSignal }
  }
}
