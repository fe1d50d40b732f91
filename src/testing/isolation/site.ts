import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type RequestListener,
  request as requestHttp,
} from 'node:http'
import { request as requestHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { StorageError } from '../../core/errors.js'

const LIMIT = 10_000

/** Where the application answers, for as long as the check runs. */
export interface Site {
  readonly origin: string
  close(): Promise<void>
}

/** Serves the application, or finds it where it runs. @throws ERR_CONFIG */
export async function openSite(app: RequestListener | undefined, baseUrl: string | undefined): Promise<Site> {
  if (baseUrl !== undefined) return { origin: baseUrl.replace(/\/+$/, ''), close: async () => {} }
  if (app === undefined)
    throw new StorageError('ERR_CONFIG', 'Give the application as `app`, or its `baseUrl`.')
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

/** What came back; status 0 where the connection ended without an answer, or none came in time. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export const NO_ANSWER: Answer = { status: 0, headers: {}, body: Buffer.alloc(0) }

export interface Question {
  method?: string
  headers?: OutgoingHttpHeaders
  body?: string
}

/**
 * Asks for a path to the letter: `fetch` tidies up `..` and encodings, and hides what a server makes of them.
 *
 * @param address origin and path
 * @returns undefined where no client can send such a request
 */
export async function ask(address: string, question: Question = {}): Promise<Answer | undefined> {
  const { method = 'GET', body, headers = {} } = question
  const start = address.indexOf('/', address.indexOf('//') + 2)
  const { protocol, hostname, port } = new URL(address.slice(0, start))
  const path = printable(address.slice(start))
  const send = protocol === 'https:' ? requestHttps : requestHttp
  try {
    const signal = AbortSignal.timeout(LIMIT)
    const outgoing = send({ hostname, port, path, method, headers: sendable(headers), agent: false, signal })
    outgoing.on('error', () => {}) // after the answer has begun, nobody else listens
    const response = once(outgoing, 'response')
    outgoing.end(body)
    const [incoming] = await response
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: await buffer(incoming) }
  } catch (error) {
    return isUnsendable(error) ? undefined : NO_ANSWER
  }
}

/** A request line is printable ASCII; everything else goes percent-encoded, and nothing is encoded twice. */
function printable(path: string): string {
  return path.toWellFormed().replace(/[^!-~]/gu, encodeURIComponent)
}

/** Header values as their UTF-8 bytes, which is what node writes for Latin-1; undefined ones are left out. */
export function sendable(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const given = Object.entries(headers).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    given.map(([name, value]) => [name, Buffer.from(String(value)).toString('latin1')]),
  )
}

/** @returns whether node refused to send it: such headers and paths never reach a server */
export function isUnsendable(error: unknown): boolean {
  const codes = ['ERR_INVALID_CHAR', 'ERR_UNESCAPED_CHARACTERS', 'ERR_INVALID_HTTP_TOKEN', 'ERR_INVALID_URL']
  return error instanceof TypeError && 'code' in error && codes.includes(String(error.code))
}
