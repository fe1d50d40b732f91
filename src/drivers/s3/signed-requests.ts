import { createHash } from 'node:crypto'
import type { Attempt } from '../../core/attempt.js'
import type { BackendCall } from '../../core/backend-calls.js'
import type { Block } from '../../core/block.js'
import { encodeKey } from '../../core/uri.js'
import { AnswerError } from './answer-error.js'
import type { BucketAddress } from './bucket-address.js'
import { HeaderSigner, UNSIGNED_PAYLOAD } from './header-signer.js'
import type { HttpAnswer } from './http/answer.js'
import { type ConnectingAgent, HttpConnections } from './http/connections.js'
import type { S3Calls } from './s3-calls.js'
import type { ExpiringCredentials, WarmCredentials } from './warm-credentials.js'

/** A request on one object. */
export interface ObjectRequest {
  readonly method: 'PUT' | 'POST' | 'HEAD'
  readonly key: string
  /** Encoded, and sorted by name. */
  readonly query?: string
  /** By name in lower case. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Pick<Block, 'chunks' | 'length' | 'crc32'>
}

/** What one set of credentials at one address signs and sends with. */
interface Line {
  readonly address: BucketAddress
  readonly credentials: ExpiringCredentials
  readonly signer: HeaderSigner
  readonly connections: HttpConnections
}

/** The kernel takes some megabytes at once; a slow line then shows no progress for as long as they take. */
const KERNEL_BUFFER = 4 * 1024 * 1024

const NOTHING = { chunks: [], length: 0 }

/** Sends requests of our own: signed, over the client's connections, and tried again as all calls are. */
export class SignedRequests {
  readonly #calls: S3Calls
  readonly #credentials: WarmCredentials
  readonly #agent: ConnectingAgent
  #line: Line | undefined
  #isClosed = false

  constructor(calls: S3Calls, credentials: WarmCredentials, agent: ConnectingAgent) {
    this.#calls = calls
    this.#credentials = credentials
    this.#agent = agent
  }

  /**
   * The answer of success that `accept` makes something of. What it throws counts as a failure of the try.
   *
   * @throws the StorageError that fits every other answer
   */
  run<T>(call: BackendCall, request: ObjectRequest, accept: (answer: HttpAnswer) => T): Promise<T> {
    const idleTimeout = this.#idleTimeout(call, request)
    return this.#calls.runDirect(call, attempt => {
      const send = () => this.#send(request, idleTimeout, attempt)
      // A wait for nothing takes time as well: promises have hooks while AsyncLocalStorage is in use (Node 20).
      const answer = this.#credentials.haveExpired ? this.#credentials.refresh().then(send) : send()
      return answer.then(found =>
        isSuccess(found) ? accept(found) : this.#sendAgain(found, send).then(accept),
      )
    })
  }

  /** Closes the connections that nobody uses, and the others when they are free. */
  close(): void {
    this.#isClosed = true
    this.#line?.connections.close()
  }

  /** The time for a try ends a small request as soon, so only a large one is watched for progress as well. */
  #idleTimeout(call: BackendCall, { body = NOTHING }: ObjectRequest): number | undefined {
    if (body.length <= KERNEL_BUFFER) return undefined
    return this.#calls.requestTime({ ...call, bytes: KERNEL_BUFFER })
  }

  /** Where the refusal says that our clock is wrong. @throws every other refusal */
  async #sendAgain(refusal: HttpAnswer, send: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    const error = new AnswerError(refusal)
    if (!this.#setClock(error)) throw error
    const answer = await send()
    if (isSuccess(answer)) return answer
    throw new AnswerError(answer)
  }

  #send(request: ObjectRequest, idleTimeout: number | undefined, attempt: Attempt): Promise<HttpAnswer> {
    const { method, key, query = '', body = NOTHING } = request
    const { address, signer, connections } = this.#lineFor(this.#credentials.current())
    const path = address.pathPrefix + encodeKey(key)
    const length = method === 'HEAD' ? undefined : `${body.length}`
    const headers = signer.sign(
      {
        method,
        path,
        query,
        headers: { ...request.headers, 'content-length': length },
        payload: payloadOf(body, address),
      },
      Date.now() + this.#calls.client.config.systemClockOffset,
    )
    const pathAndQuery = query === '' ? path : `${path}?${query}`
    const http = { method, path: pathAndQuery, headers, chunks: body.chunks, idleTimeout }
    return connections.exchange(http, attempt)
  }

  /** Whether the server told its time. The SDK keeps its own correction there, so each learns from the other. */
  #setClock({ name, $response }: AnswerError): boolean {
    const date = Date.parse($response.headers.date ?? '')
    if (name !== 'RequestTimeTooSkewed' || Number.isNaN(date)) return false
    this.#calls.client.config.systemClockOffset = date - Date.now()
    return true
  }

  #lineFor(credentials: ExpiringCredentials): Line {
    const { address } = this.#calls.home
    if (this.#line?.credentials === credentials && this.#line.address === address) return this.#line
    const signer = new HeaderSigner(address, credentials)
    this.#line = { address, credentials, signer, connections: this.#connectionsTo(address) }
    return this.#line
  }

  /** New ones where the address is another; the old ones end with what they carry. */
  #connectionsTo({ origin }: BucketAddress): HttpConnections {
    const { address, connections } = this.#line ?? {}
    if (connections !== undefined && address?.origin === origin) return connections
    connections?.close()
    const made = new HttpConnections(new URL(origin), this.#agent)
    if (this.#isClosed) made.close()
    return made
  }
}

function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300
}

/**
 * TLS protects a body on its way, and a checksum tells the server of bytes that changed. A body that has neither is
 * hashed for the signature.
 */
function payloadOf({ chunks, crc32 }: Pick<Block, 'chunks' | 'crc32'>, { origin }: BucketAddress): string {
  if (origin.startsWith('https:') || crc32 !== undefined) return UNSIGNED_PAYLOAD
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}
