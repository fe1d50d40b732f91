import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Attempt } from '../../../core/attempt.js'
import { AnswerReader, type HttpAnswer, hangUp } from './answer.js'
import { type HttpRequest, headOf, type Persistence } from './request.js'

/** A request, and who waits for its answer. */
export interface Exchange {
  readonly request: HttpRequest
  readonly attempt: Attempt
  readonly resolve: (answer: HttpAnswer) => void
  readonly reject: (error: unknown) => void
}

/** Told what becomes of a connection. */
export interface ConnectionOwner {
  readonly persistence: Persistence
  /** Milliseconds that a connection may wait for its next request; 0 for as long as the server keeps it. */
  readonly restTime: number
  /** It may carry the next request. */
  free(connection: HttpConnection): void
  /** It is closed; said once. */
  gone(connection: HttpConnection): void
}

/** The exchange that a connection is busy with. */
interface Work {
  readonly exchange: Exchange
  readonly reader: AnswerReader
  /** Whether the kernel has the last byte of the request. */
  isSent: boolean
  /** Where the answer was there before that: what is done then, and when it is waited for no longer. */
  early: { readonly whenSent: () => void; readonly giveUp: Wait } | undefined
}

type Written = (error?: Error | null) => void

/** Milliseconds. */
const SENT_WITHIN = 1_000
const TURNS = 3

/** Of a body that is watched for progress over TLS. */
const BURST = 1024 * 1024

/** Milliseconds that a request may be on its way while the server ends a connection that waited for it too long. */
const ON_ITS_WAY = 1_000

/**
 * One connection to a server, which carries one request after the other: a socket, and nothing between. With node's own
 * requests and agents a small upload takes a quarter longer (docs/explanation/design.md).
 */
export class HttpConnection {
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  #work: Work | undefined
  /** By the clock of `performance`. */
  #keptUntil = Number.POSITIVE_INFINITY

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    socket
      .on('data', bytes => this.#read(bytes))
      .on('end', () => this.#end())
      .on('timeout', () => this.#fail(noProgress()))
      .on('error', error => this.#fail(error))
      .on('close', () => {
        this.#fail(hangUp())
        owner.gone(this)
      })
  }

  /** Whether the next request may be sent on it. */
  get isUsable(): boolean {
    const { writable, readableEnded } = this.#socket
    return writable && !readableEnded && performance.now() < this.#keptUntil
  }

  /** Rejects when the connection is gone; resolves when it is free for the next request, or gone as well. */
  send(exchange: Exchange): void {
    const { request, attempt } = exchange
    this.#work = { exchange, reader: new AnswerReader(request.method), isSent: false, early: undefined }
    attempt.onStop = reason => this.#fail(reason)
    try {
      this.#write(this.#work)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Waits for the next request, and keeps no process alive. */
  rest(): void {
    this.#socket.unref()
    this.#watch(this.#owner.restTime)
  }

  close(): void {
    this.#socket.destroy()
  }

  #write(work: Work): void {
    const { request } = work.exchange
    const { chunks, idleTimeout = 0 } = request
    const onSent = (error?: Error | null) => {
      if (error) return // of which the socket tells as well
      work.isSent = true
      work.early?.whenSent()
    }
    const head = headOf(request, this.#owner.persistence)
    const socket = this.#socket.ref()
    this.#watch(idleTimeout)
    socket.cork()
    socket.write(head, 'latin1', chunks.length === 0 ? onSent : undefined)
    if (idleTimeout > 0 && socket instanceof TLSSocket) this.#writeInTurn(burstsOf(chunks), onSent)
    else this.#writeTogether(chunks, onSent)
    socket.uncork()
  }

  /** The kernel gets them in one go, and none is copied. */
  #writeTogether(chunks: readonly Uint8Array[], onSent: Written): void {
    let left = chunks.length
    for (const chunk of chunks) this.#socket.write(chunk, --left === 0 ? onSent : undefined)
  }

  /** Of what is encrypted in one go, node sees no progress before all of it is with the kernel. */
  #writeInTurn(bursts: Iterator<readonly Uint8Array[]>, onSent: Written): void {
    const { value: burst } = bursts.next()
    if (burst === undefined) onSent()
    else {
      this.#socket.cork()
      this.#writeTogether(burst, error => (error ? onSent(error) : this.#writeInTurn(bursts, onSent)))
      this.#socket.uncork()
    }
  }

  /** @param ms without any progress; 0 for as long as it takes */
  #watch(ms: number): void {
    if ((this.#socket.timeout ?? 0) !== ms) this.#socket.setTimeout(ms)
  }

  #read(bytes: Buffer): void {
    const work = this.#work
    // Of bytes that nobody asked for nobody can say what they belong to.
    if (work === undefined || work.early !== undefined) this.#fail(notAsked())
    else this.#understand(work, reader => reader.read(bytes))
  }

  #end(): void {
    const work = this.#work
    if (work === undefined) this.close()
    // An early answer is whole; whether the body is, will be seen.
    else if (work.early === undefined) this.#understand(work, reader => reader.end())
  }

  #understand(work: Work, how: (reader: AnswerReader) => HttpAnswer | undefined): void {
    try {
      const answer = how(work.reader)
      if (answer !== undefined) this.#answered(work, answer)
    } catch (error) {
      this.#fail(error)
    }
  }

  #answered(work: Work, answer: HttpAnswer): void {
    // A server that refuses early reads no further: the rest of the body would block this connection.
    if (work.isSent || answer.status >= 300) this.#finish(work, answer)
    else this.#waitUntilSent(work, answer)
  }

  /**
   * Node may see a quick answer before it hears that the last bytes are on their way: some turns before, and over TLS
   * longer, which is given time. But who has not read the body cannot have stored it, though a portal or a proxy may say
   * so all the same.
   */
  #waitUntilSent(work: Work, answer: HttpAnswer): void {
    const late = () => this.#fail(tooEarly())
    const isSecure = this.#socket instanceof TLSSocket
    work.early = {
      whenSent: () => this.#finish(work, answer),
      giveUp: isSecure ? afterTime(SENT_WITHIN, late) : afterTurns(TURNS, late),
    }
  }

  #finish(work: Work, answer: HttpAnswer): void {
    const { exchange, reader, isSent } = work
    this.#release(work)
    this.#keptUntil = keptUntil(answer)
    if (isSent && reader.isReusable && this.#owner.persistence === 'keep-alive') this.#owner.free(this)
    else this.close()
    exchange.resolve(answer)
  }

  #fail(error: unknown): void {
    const work = this.#work
    this.close()
    if (work === undefined) return
    this.#release(work)
    work.exchange.reject(error)
  }

  #release({ exchange, early }: Work): void {
    this.#work = undefined
    early?.giveUp.cancel()
    exchange.attempt.onStop = undefined
  }
}

/** The same in portions of {@link BURST} at least, where it is not the last. */
function* burstsOf(chunks: readonly Uint8Array[]): Generator<Uint8Array[], undefined> {
  let burst: Uint8Array[] = []
  let size = 0
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += BURST) {
      const piece = chunk.subarray(at, at + BURST)
      burst.push(piece)
      size += piece.length
      if (size < BURST) continue
      yield burst
      burst = []
      size = 0
    }
  }
  if (size > 0) yield burst
}

/** As long as the server says (RFC 2068, section 19.7.1.1), less the time that a request takes to get there. */
function keptUntil({ headers }: HttpAnswer): number {
  const seconds = /\btimeout=(\d+)/i.exec(headers['keep-alive'] ?? '')?.[1]
  if (seconds === undefined) return Number.POSITIVE_INFINITY
  return performance.now() + Number(seconds) * 1_000 - ON_ITS_WAY
}

interface Wait {
  readonly cancel: () => void
}

function afterTime(ms: number, work: () => void): Wait {
  const timer = setTimeout(work, ms)
  return { cancel: () => clearTimeout(timer) }
}

function afterTurns(turns: number, work: () => void): Wait {
  let left = turns
  const turn = () => {
    if (--left === 0) work()
    else next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  return { cancel: () => clearImmediate(next) }
}

function noProgress(): Error {
  return Object.assign(new Error('no progress on the connection'), { code: 'ETIMEDOUT' })
}

function tooEarly(): Error {
  return Object.assign(new Error('an answer of success before the whole body was sent'), {
    code: 'ECONNRESET',
  })
}

function notAsked(): Error {
  return Object.assign(new Error('more was answered than was asked'), { code: 'ECONNRESET' })
}
