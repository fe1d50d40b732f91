import {
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plainRequest,
} from 'node:http'
import { request as secureRequest } from 'node:https'
import type { Attempt } from '../../core/attempt.js'

/** Where requests go, and over which connections. */
export interface Destination {
  readonly protocol: 'http:' | 'https:'
  readonly hostname: string
  readonly port: string
  readonly agent: Agent
}

/** A request with all of its headers, Content-Length included. */
export interface HttpRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** Names and values in turn. */
  readonly headers: string[]
  readonly chunks: readonly Uint8Array[]
  /** Milliseconds without any progress on the connection; undefined where something else ends the request. */
  readonly idleTimeout: number | undefined
}

/** An answer, read to its end. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** An answer to a PUT is empty, or an error of some hundred bytes. */
const MAX_ANSWER = 64 * 1024

/** Milliseconds. */
const SENT_WITHIN = 1_000
const TURNS = 3

/**
 * Node may see a quick answer before it hears that the last bytes are on their way: some turns before, and over TLS
 * longer, which is given time. But who has not read the body cannot have stored it, though a portal or a proxy may say so
 * all the same.
 *
 * Only the event tells: `writableFinished` looks at the connection, which may carry the next request by then.
 */
function whenSent(
  req: ClientRequest,
  protocol: string,
  then: () => void,
  fail: (error: unknown) => void,
): void {
  const late = () => fail(tooEarly())
  const giveUp = protocol === 'https:' ? afterTime(SENT_WITHIN, late) : afterTurns(TURNS, late)
  const settle = () => {
    giveUp.cancel()
    req.off('close', settle).off('finish', settle)
    // What is still to be sent when a connection is destroyed counts as finished too.
    if (req.socket?.destroyed === false) then()
    else fail(breakOf(req) ?? tooEarly())
  }
  if (req.socket?.destroyed) settle()
  else req.once('finish', settle).once('close', settle)
}

/**
 * What broke the connection of a request under its body. To node such a request is finished like any other; and since its
 * answer is there, node listens to the connection no more, whose error would end the process.
 */
function breakOf({ socket }: ClientRequest): Error | undefined {
  if (!socket?.errored) return undefined
  socket.on('error', () => {})
  return socket.errored
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

/**
 * Sends a request and reads the answer. When it rejects, stopped or otherwise, the connection is gone; when it resolves,
 * the connection is free for the next request, or gone as well.
 */
export function exchange(to: Destination, request: HttpRequest, attempt: Attempt): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    // One that was given up while its credentials were on their way must not be sent after all.
    if (attempt.reason !== undefined) throw attempt.reason
    const { method, path, headers, chunks, idleTimeout } = request
    const { protocol, hostname, port, agent } = to
    const send = protocol === 'https:' ? secureRequest : plainRequest
    const req = send({ protocol, hostname, port, agent, method, path, headers, timeout: idleTimeout })
    const end = (answer: HttpAnswer) => {
      attempt.onStop = undefined
      resolve(answer)
    }
    const fail = (error: unknown) => {
      attempt.onStop = undefined
      reject(error)
      req.destroy()
    }
    const succeed = (answer: HttpAnswer) => {
      // Asked when all was sent, and not before: a connection may be broken and not destroyed yet.
      const stored = () => {
        const broken = breakOf(req)
        if (broken === undefined) end(answer)
        else fail(broken)
      }
      if (answer.status < 300) return req.writableFinished ? stored() : whenSent(req, protocol, stored, fail)
      end(answer)
      // A server that refuses early reads no further: the rest of the body would block this connection.
      if (!req.writableFinished || breakOf(req) !== undefined) req.destroy()
    }
    attempt.onStop = reason => req.destroy(reason)
    req.on('error', fail)
    if (idleTimeout !== undefined) req.on('timeout', () => fail(noProgress()))
    req.on('upgrade', (_response, socket) => {
      socket.destroy() // node says nothing more of it
      fail(new Error('The server wants to speak another protocol.'))
    })
    req.on('response', response => readAnswer(response, succeed, fail))
    // In one go: node hands the headers and all chunks to the kernel together, without copying them.
    for (const chunk of chunks) req.write(chunk)
    req.end()
  })
}

function readAnswer(
  response: IncomingMessage,
  succeed: (answer: HttpAnswer) => void,
  fail: (error: unknown) => void,
): void {
  const { statusCode: status = 0, headers } = response
  const chunks: Buffer[] = []
  let length = 0
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length > MAX_ANSWER) response.destroy(new Error('The answer is too long for S3.'))
  })
  response.on('error', fail)
  response.on('end', () =>
    succeed({ status, headers, body: length === 0 ? '' : Buffer.concat(chunks).toString() }),
  )
}

function noProgress(): Error {
  return Object.assign(new Error('no progress on the connection'), { code: 'ETIMEDOUT' })
}

function tooEarly(): Error {
  return Object.assign(new Error('an answer of success before the whole body was sent'), {
    code: 'ECONNRESET',
  })
}
