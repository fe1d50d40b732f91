import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RawRequest {
  /** The body, byte for byte; the boundary is `x`. */
  body: Buffer
  /** What Content-Length says; default: what there is. `chunked` sends the pieces with Transfer-Encoding. */
  length?: number | 'chunked'
  /** Bytes per piece; default: all at once. */
  chunkSize?: number
  /** Milliseconds between pieces. */
  delay?: number
  /** What happens after the last byte. `answer` (default) waits for the answer; `destroy` drops the connection. */
  ending?: 'answer' | 'destroy'
  headers?: Record<string, string>
}

export interface RawAnswer {
  /** 0 where the connection ended without an answer. */
  status: number
  /** Whether the server said that it closes the connection. */
  closes: boolean
  json: { error?: { code: string; message: string }; [key: string]: unknown }
}

/** Writes a request to a socket with nothing in between, and reads what comes until the server closes. */
export async function sendRaw(url: string, request: RawRequest): Promise<RawAnswer> {
  const { body, length = body.length, chunkSize = body.length, delay = 0, ending = 'answer' } = request
  const { hostname, port } = new URL(url)
  // Half open: it goes on sending after the server has closed its side, as clients do that do not listen.
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  socket.setNoDelay(true)
  socket.on('error', () => {}) // a server may close while we write; `close` follows
  const pieces: Buffer[] = []
  socket.on('data', piece => pieces.push(piece))
  const closed = new Promise(resolve => socket.once('close', resolve))
  await once(socket, 'connect')
  const headers = {
    Host: 'localhost',
    'X-Tenant': 'acme',
    'Content-Type': 'multipart/form-data; boundary=x',
    ...(length === 'chunked' ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(length) }),
    Connection: 'close',
    ...request.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  await write(socket, Buffer.from(`POST / HTTP/1.1\r\n${lines.join('')}\r\n`))
  for (let sent = 0; sent < body.length; sent += chunkSize) {
    if (delay > 0) await sleep(delay)
    const piece = body.subarray(sent, sent + chunkSize)
    await write(socket, length === 'chunked' ? chunkOf(piece) : piece)
  }
  if (length === 'chunked' && ending === 'answer') await write(socket, Buffer.from('0\r\n\r\n'))
  if (ending === 'destroy') socket.destroy()
  else socket.once('end', () => socket.end())
  if (socket.readableEnded) socket.end()
  await closed
  return answerIn(Buffer.concat(pieces).toString())
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    if (socket.destroyed) resolve()
    else socket.write(bytes, () => resolve())
  })
}

function chunkOf(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
}

function answerIn(text: string): RawAnswer {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0),
    closes: /^connection: close\r?$/im.test(head),
    json: /^content-type: application\/json/im.test(head) ? JSON.parse(body) : {},
  }
}

/** One part of a form as it goes over the wire, with headers to the letter. */
export function part(headers: string, body: Buffer | string): Buffer {
  return Buffer.concat([
    Buffer.from(`--x\r\n${headers}\r\n\r\n`, 'latin1'),
    Buffer.from(body),
    Buffer.from('\r\n'),
  ])
}

export const LAST = Buffer.from('--x--\r\n')
