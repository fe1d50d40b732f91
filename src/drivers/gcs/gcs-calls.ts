import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Storage } from '@google-cloud/storage'
import { abortError, untilAborted } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import { encodeUri } from '../../core/uri.js'
import { answeredFailure, GcsFailure, isTransient, toFailure, toStorageError } from './gcs-errors.js'
import { HttpClient, type HttpRequest, readAnswer } from './http-client.js'
import { type GcsLimits, isAnonymous } from './options.js'

export interface Call {
  operation: string
  key?: string
  signal?: AbortSignal
  /** Bytes to send; they get the time that a slow line needs. */
  bytes?: number
  /** A request that Cloud Storage may work on for long: copying between places and storage classes. */
  slow?: boolean
  /** Milliseconds for everything, in one attempt, instead of what follows from the options. */
  within?: number
  /** How often to try, instead of what the options say. */
  attempts?: number
}

export interface GcsRequest extends HttpRequest {
  /** Answers that are no failure, beside those of the 200s. */
  accept?: readonly number[]
  /** The address is its own permission, as that of an upload session is: no token goes with it. */
  withoutToken?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** The slowest line that an upload is waited for: 64 KiB a second. */
const BYTES_PER_MS = 65.536
const SLOW_FACTOR = 10
/** Milliseconds: the first pause between attempts, the longest one, and the time for all of them. */
const FIRST_PAUSE = 400
const MAX_PAUSE = 4_000
const PAUSES = 10_000
/** Of an error's text. */
const MAX_ERROR_BYTES = 64 * 1024

/**
 * Sends requests of the JSON API: each one ends in time, is tried again where that may help, listens to the
 * caller's signal at every moment and rejects with a StorageError. Credentials and endpoint are the SDK's.
 */
export class GcsCalls {
  readonly client: Storage
  readonly bucket: string
  readonly limits: GcsLimits
  readonly #http = new HttpClient()
  readonly #isAnonymous: boolean

  constructor(client: Storage, bucket: string, limits: GcsLimits) {
    this.client = client
    this.bucket = bucket
    this.limits = limits
    this.#isAnonymous = isAnonymous(client)
  }

  /** Where an object's resource is ("Objects", Cloud Storage JSON API), or that of them all. */
  objectUrl(key?: string, query: Record<string, string> = {}): string {
    const path = `storage/v1/b/${this.bucket}/o${key === undefined ? '' : `/${encodeUri(key)}`}`
    return this.#url(path, query)
  }

  uploadUrl(query: Record<string, string>): string {
    return this.#url(`upload/storage/v1/b/${this.bucket}/o`, query)
  }

  /** Sends a request and reads its answer to the end. */
  send(call: Call, request: GcsRequest): Promise<Answer> {
    return this.run(call, signal => this.exchange(request, signal))
  }

  /** One attempt of {@link send}, for use inside of {@link run}. */
  async exchange(request: GcsRequest, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#open(request, signal)
    const body = await readAnswer(answer)
    return { status: answer.statusCode ?? 0, headers: answer.headers, body }
  }

  /** Sends a request and reads its answer as JSON of Google's shape. */
  async json<T>(call: Call, request: GcsRequest): Promise<T> {
    const { body } = await this.send(call, request)
    return parseJson<T>(body, { ...call, bucket: this.bucket })
  }

  /** Sends a request; the body of its answer is the caller's. */
  open(call: Call, request: GcsRequest): Promise<IncomingMessage> {
    return this.run(call, signal => this.#open(request, signal))
  }

  /** Runs `attempt` with what ends it, again and again where that may help. */
  async run<T>(call: Call, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (call.signal?.aborted) throw abortError(call.signal, call)
    const stop = new AbortController()
    const onAbort = () => stop.abort(abortError(call.signal, call))
    call.signal?.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => stop.abort(timeoutError(call)), this.#deadline(call))
    try {
      return await this.#repeat(call, stop.signal, attempt)
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : toStorageError(error, { ...call, bucket: this.bucket })
    } finally {
      clearTimeout(timer)
      call.signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Headers that carry the credentials. @throws ERR_BACKEND_DENIED where there are none */
  async authorize(url: string): Promise<Record<string, string>> {
    if (this.#isAnonymous) return {}
    try {
      // A plain object in one major version of google-auth-library, Headers in the next.
      return Object.fromEntries(new Headers(await this.client.authClient.getRequestHeaders(url)))
    } catch (error) {
      throw noToken(error)
    }
  }

  close(): void {
    this.#http.destroy()
  }

  async #repeat<T>(call: Call, stop: AbortSignal, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const attempts = call.attempts ?? (call.within === undefined ? this.limits.maxAttempts : 1)
    for (let number = 1; ; number++) {
      try {
        return await this.#once(call, stop, attempt)
      } catch (error) {
        if (stop.aborted || StorageError.is(error)) throw error
        const failure = toFailure(error)
        failure.attempts = number
        if (number >= attempts || !isTransient(failure)) throw failure
        await sleep(pauseAfter(number), undefined, { signal: stop })
      }
    }
  }

  async #once<T>(call: Call, stop: AbortSignal, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const end = new AbortController()
    const onStop = () => end.abort(stop.reason)
    stop.addEventListener('abort', onStop, { once: true })
    const late = () => end.abort(new GcsFailure('no answer in time', { reason: 'ETIMEDOUT' }))
    const timer = setTimeout(late, this.#requestTime(call))
    try {
      return await untilAborted(attempt(end.signal), end.signal)
    } catch (error) {
      throw end.signal.aborted ? end.signal.reason : error
    } finally {
      clearTimeout(timer)
      stop.removeEventListener('abort', onStop)
    }
  }

  async #open(request: GcsRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const token = request.withoutToken ? {} : await this.authorize(request.url)
    signal.throwIfAborted()
    const answer = await this.#http.open({ ...request, headers: { ...request.headers, ...token } }, signal)
    const status = answer.statusCode ?? 0
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return answer
    throw answeredFailure(status, await readAnswer(answer, MAX_ERROR_BYTES))
  }

  #url(path: string, query: Record<string, string>): string {
    const parameters = Object.entries(query).map(([name, value]) => `${name}=${encodeUri(value)}`)
    return `${this.client.apiEndpoint}/${path}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`
  }

  #requestTime(call: Call): number {
    const { requestTimeout } = this.limits
    return requestTimeout * (call.slow ? SLOW_FACTOR : 1) + Math.ceil((call.bytes ?? 0) / BYTES_PER_MS)
  }

  #deadline(call: Call): number {
    return call.within ?? this.#requestTime(call) * (call.attempts ?? this.limits.maxAttempts) + PAUSES
  }
}

/** @throws ERR_BACKEND for what is no JSON: a proxy's page, or an emulator's */
export function parseJson<T>(text: string, place: { operation: string; key?: string; bucket: string }): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw toStorageError(new GcsFailure('the answer is no JSON', { status: 200, reason: 'notJson' }), place)
  }
}

function timeoutError({ operation, key }: Call): StorageError {
  return new StorageError('ERR_BACKEND_TIMEOUT', 'The storage did not answer in time.', { operation, key })
}

/** Only the message goes on: the library's errors hold the signed assertion and the request around it. */
function noToken(error: unknown): unknown {
  const failure = toFailure(error)
  if (failure.reason !== undefined && /^E[A-Z_]+$/.test(failure.reason)) return failure
  const message = `No access token: ${failure.message}`
  return new GcsFailure(message, { status: 401, reason: 'noToken' })
}

/** Exponential and with jitter ("Retry strategy", Cloud Storage documentation). */
function pauseAfter(attempt: number): number {
  return Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
}
