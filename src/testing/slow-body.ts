import { randomUUID } from 'node:crypto'
import {
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  request as requestHttp,
} from 'node:http'
import { request as requestHttps } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { StorageError } from '../core/errors.js'

/** One field of a form. With a `filename` it is a file, otherwise a plain value. */
export interface SlowPart {
  name: string
  filename?: string
  /** Of a file; `application/octet-stream` where it is left out, as in browsers. */
  contentType?: string
  body: Buffer | string
}

export interface SlowRequest {
  url: string | URL
  /** `POST` unless said otherwise. */
  method?: string
  /** Added to Content-Type and Content-Length. With `Transfer-Encoding: chunked` no length is announced. */
  headers?: OutgoingHttpHeaders
  parts: readonly SlowPart[]
  /** How many bytes of the body go out at once. */
  chunkSize: number
  /** Milliseconds between the headers and the first chunk, and between one chunk and the next. */
  delay: number
  /** `new Agent({ keepAlive: true })` to send several requests over one connection. */
  agent?: Agent
  /** Destroys the connection after so many bytes of the body; the promise rejects with ERR_UPLOAD_ABORTED. */
  abortAfter?: number
  /** Destroys the connection when it fires; the promise rejects with ERR_UPLOAD_ABORTED. */
  signal?: AbortSignal
}

export interface SlowResponse {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** The body, parsed as JSON. */
  json<T = unknown>(): T
}

/**
 * Sends a form the way a phone on a bad line does: the headers first, then, after a delay, the body in small
 * delayed chunks. A request of a test client arrives in one packet and hides what goes wrong when the body comes
 * late: inside Multer, AsyncLocalStorage is then empty.
 *
 * Resolves with the answer, also with one that comes before the whole body was sent.
 *
 * @throws StorageError `ERR_UPLOAD_ABORTED` when the connection ends without an answer.
 *
 * @example
 * const response = await sendSlowly({
 *   url: `http://127.0.0.1:${port}/orders`,
 *   headers: { 'x-tenant': 'acme' },
 *   parts: [{ name: 'file', filename: 'invoice.pdf', contentType: 'application/pdf', body: pdf }],
 *   chunkSize: 1024,
 *   delay: 10,
 * })
 * expect(response.status).toBe(201)
 */
export async function sendSlowly(request: SlowRequest): Promise<SlowResponse> {
  if (!(request.chunkSize >= 1)) throw new StorageError('ERR_CONFIG', 'chunkSize must be at least 1 byte')
  if (request.signal?.aborted) throw aborted('The upload was aborted before it began', request.signal.reason)
  const boundary = `----tenant-files-${randomUUID()}`
  const body = encodeForm(request.parts, boundary)
  const outgoing = open(request, { boundary, size: body.length })
  const over = new AbortController()
  try {
    const answer = answerTo(outgoing)
    const response = await Promise.race([
      answer,
      feed(outgoing, { ...request, body, over: over.signal }).then(() => answer),
      refusal(request.signal, over.signal),
    ])
    // answered early: what is left of the body would be taken for the next request
    if (!outgoing.writableFinished) outgoing.destroy()
    return response
  } catch (error) {
    outgoing.destroy()
    throw error
  } finally {
    over.abort()
  }
}

function open(request: SlowRequest, body: { boundary: string; size: number }): ClientRequest {
  const url = new URL(request.url)
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  const { method = 'POST', agent } = request
  const outgoing = send(url, { method, agent, headers: request.headers })
  outgoing.setHeader('Content-Type', `multipart/form-data; boundary=${body.boundary}`)
  if (!outgoing.hasHeader('Transfer-Encoding')) outgoing.setHeader('Content-Length', body.size)
  outgoing.setNoDelay(true)
  outgoing.flushHeaders()
  return outgoing
}

function answerTo(outgoing: ClientRequest): Promise<SlowResponse> {
  return new Promise((resolve, reject) => {
    outgoing.on('error', cause => reject(aborted('The connection ended without an answer', cause)))
    outgoing.once('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', cause => reject(aborted('The connection ended within the answer', cause)))
      response.on('end', () => {
        const body = Buffer.concat(chunks)
        const json = <T>(): T => JSON.parse(body.toString('utf8')) as T
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json })
      })
    })
  })
}

/** Rejects when the caller's signal fires, unless all is over before. */
function refusal(signal: AbortSignal | undefined, over: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const listener = (): void => reject(aborted('The upload was aborted by its signal', signal?.reason))
    signal?.addEventListener('abort', listener, { once: true, signal: over })
  })
}

/** Writes the body in delayed chunks until it is sent, the connection is cut as wanted, or all is over. */
async function feed(
  outgoing: ClientRequest,
  options: Pick<SlowRequest, 'chunkSize' | 'delay' | 'abortAfter'> & { body: Buffer; over: AbortSignal },
): Promise<void> {
  const { body, chunkSize, delay, over } = options
  const end = Math.min(options.abortAfter ?? body.length, body.length)
  await headersSent(outgoing)
  for (let sent = 0; sent < end; sent += chunkSize) {
    await sleep(delay)
    if (over.aborted) return
    await write(outgoing, body.subarray(sent, Math.min(sent + chunkSize, end)))
  }
  if (options.abortAfter === undefined) {
    outgoing.end()
    return
  }
  outgoing.destroy()
  throw aborted(`The connection was cut after ${end} bytes, as abortAfter asked`)
}

/** Once the socket is connected, the flushed headers are on their way. */
function headersSent(outgoing: ClientRequest): Promise<void> {
  return new Promise(resolve => {
    outgoing.once('socket', socket => {
      if (socket.connecting) socket.once('connect', resolve)
      else resolve()
    })
  })
}

/** Resolves also when the connection broke: whether that matters is told by the answer, or by its lack. */
function write(outgoing: ClientRequest, chunk: Buffer): Promise<void> {
  return new Promise(resolve => {
    outgoing.write(chunk, () => resolve())
  })
}

function aborted(message: string, cause?: unknown): StorageError {
  return new StorageError('ERR_UPLOAD_ABORTED', message, { operation: 'sendSlowly', cause })
}

/**
 * The HTML standard's multipart/form-data encoding, which browsers follow and RFC 2231's `filename*` is no part of:
 * names and file names as raw UTF-8, with only CR, LF and the quote percent-escaped; line ends of names and plain
 * values made CRLF. https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
 */
function encodeForm(parts: readonly SlowPart[], boundary: string): Buffer {
  const pieces: Buffer[] = []
  for (const part of parts) {
    const isFile = part.filename !== undefined
    const lines = [
      `--${boundary}`,
      `Content-Disposition: form-data; name="${percentEscape(crlf(part.name))}"`,
    ]
    if (part.filename !== undefined) {
      lines[1] += `; filename="${percentEscape(part.filename)}"`
      lines.push(`Content-Type: ${part.contentType ?? 'application/octet-stream'}`)
    }
    const value = typeof part.body === 'string' && !isFile ? crlf(part.body) : part.body
    pieces.push(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n'))
  }
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

const ESCAPES: Record<string, string> = { '\n': '%0A', '\r': '%0D', '"': '%22' }
const percentEscape = (text: string): string =>
  text.replace(/[\n\r"]/g, character => ESCAPES[character] ?? character)
const crlf = (text: string): string => text.replace(/\r\n|\r|\n/g, '\r\n')
