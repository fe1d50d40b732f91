import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Storage } from '@google-cloud/storage'
import { type BackendCall, BackendCalls } from '../../core/backend-calls.js'
import { agentsWithin } from '../../core/connect-timeout.js'
import { encodeUri } from '../../core/uri.js'
import {
  answeredFailure,
  GcsFailure,
  isTransient,
  retryAfter,
  toFailure,
  toStorageError,
} from './gcs-errors.js'
import { HttpClient, type HttpRequest, readAnswer } from './http-client.js'
import { type GcsLimits, isAnonymous } from './options.js'

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

/** Of an error's text. */
const MAX_ERROR_BYTES = 64 * 1024

/** Sends requests of the JSON API, as {@link BackendCalls} says. Credentials and endpoint are the SDK's. */
export class GcsCalls {
  readonly client: Storage
  readonly bucket: string
  readonly limits: GcsLimits
  readonly #http: HttpClient
  readonly #calls: BackendCalls
  readonly #isAnonymous: boolean

  constructor(client: Storage, bucket: string, limits: GcsLimits) {
    this.client = client
    this.bucket = bucket
    this.limits = limits
    this.#http = new HttpClient(agentsWithin(limits.connectTimeout))
    const toError = (error: unknown, call: BackendCall) => toStorageError(error, { ...call, bucket })
    this.#calls = new BackendCalls(limits, { toError, isTransient, retryAfter })
    this.#isAnonymous = isAnonymous(client)
  }

  /** Where an object's resource is ("Objects", Cloud Storage JSON API), or that of them all. */
  objectUrl(key?: string, query: Record<string, string> = {}, bucket = this.bucket): string {
    const path = `storage/v1/b/${bucket}/o${key === undefined ? '' : `/${encodeUri(key)}`}`
    return this.#url(path, query)
  }

  uploadUrl(query: Record<string, string>): string {
    return this.#url(`upload/storage/v1/b/${this.bucket}/o`, query)
  }

  /** Sends a request and reads its answer to the end. */
  send(call: BackendCall, request: GcsRequest): Promise<Answer> {
    return this.run(call, signal => this.exchange(request, signal))
  }

  /** One attempt of {@link send}, for use inside of {@link run}. */
  async exchange(request: GcsRequest, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#open(request, signal)
    const body = await readAnswer(answer)
    return { status: answer.statusCode ?? 0, headers: answer.headers, body }
  }

  /** Sends a request and reads its answer as JSON of Google's shape. */
  async json<T>(call: BackendCall, request: GcsRequest): Promise<T> {
    const { body } = await this.send(call, request)
    return parseJson<T>(body, { ...call, bucket: this.bucket })
  }

  /** Sends a request; the body of its answer is the caller's. */
  open(call: BackendCall, request: GcsRequest): Promise<IncomingMessage> {
    return this.run(call, signal => this.#open(request, signal))
  }

  /** Runs `attempt`, once or several times, with what ends it. */
  run<T>(call: BackendCall, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#calls.run(call, ({ signal }) => attempt(signal))
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

  async #open(request: GcsRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const token = request.withoutToken ? {} : await this.authorize(request.url)
    signal.throwIfAborted()
    const answer = await this.#http.open({ ...request, headers: { ...request.headers, ...token } }, signal)
    const status = answer.statusCode ?? 0
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return answer
    const body = await readAnswer(answer, MAX_ERROR_BYTES)
    throw answeredFailure(status, body, answer.headers['retry-after'])
  }

  #url(path: string, query: Record<string, string>): string {
    const parameters = Object.entries(query).map(([name, value]) => `${name}=${encodeUri(value)}`)
    return `${this.client.apiEndpoint}/${path}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`
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

/** Only the message goes on: the library's errors hold the signed assertion and the request around it. */
function noToken(error: unknown): unknown {
  const failure = toFailure(error)
  if (failure.reason !== undefined && /^E[A-Z_]+$/.test(failure.reason)) return failure
  const message = `No access token: ${failure.message}`
  return new GcsFailure(message, { status: 401, reason: 'noToken' })
}
