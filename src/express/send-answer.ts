import type { OutgoingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Response } from 'express'
import { StorageError } from '../core/errors.js'

/** An answer. To HEAD, and where the client's copy is good, it has no body. */
export interface Answer {
  readonly status: 200 | 206 | 304
  readonly headers: OutgoingHttpHeaders
  readonly body?: { readonly bytes: Readable; readonly length: number }
}

/**
 * Sends an answer. Nothing but what the socket and the body's own buffer take is held for a slow reader.
 *
 * @param left aborts when the client leaves: that ends the body, and is no failure
 * @throws the body's failure
 */
export async function sendAnswer(res: Response, answer: Answer, left: AbortSignal): Promise<void> {
  try {
    if (!left.aborted) await send(res, answer, left)
  } finally {
    // Whatever happened: the client had left before, or a header of the object is none and nothing was sent.
    answer.body?.bytes.destroy()
  }
}

async function send(res: Response, answer: Answer, left: AbortSignal): Promise<void> {
  const { status, headers, body } = answer
  if (body === undefined) res.writeHead(status, headers).end()
  else if (isAllHere(body)) await sendAtOnce(res, answer, body.bytes, left)
  else await sendStream(res, answer, body, left)
}

/** A driver that has the few bytes at hand gives a stream that is filled already. */
function isAllHere({ bytes, length }: NonNullable<Answer['body']>): boolean {
  return bytes.readableLength === length && !bytes.readableObjectMode
}

/** Not by a stream into the response, which would cost more than it sends. */
async function sendAtOnce(
  res: Response,
  { status, headers }: Answer,
  body: Readable,
  left: AbortSignal,
): Promise<void> {
  const bytes = body.read()
  body.resume() // an empty one ends when somebody reads it
  // It may still turn out to be wrong: whoever checks the bytes does so at their end.
  await endOf(body, left)
  if (!left.aborted) res.writeHead(status, headers).end(bytes)
}

async function sendStream(
  res: Response,
  { status, headers }: Answer,
  { bytes, length }: NonNullable<Answer['body']>,
  left: AbortSignal,
): Promise<void> {
  const leave = () => bytes.destroy()
  left.addEventListener('abort', leave)
  let sent = 0
  bytes.on('data', chunk => {
    sent += chunk.length
  })
  // Before the pipe ends the response: a reader who was promised more bytes would wait for them.
  bytes.once('end', () => sent === length || res.destroy())
  res.writeHead(status, headers)
  bytes.pipe(res)
  await endOf(bytes, left)
  left.removeEventListener('abort', leave)
  if (!left.aborted && sent !== length) throw endedEarly()
}

/** Waits for the end of a body. */
function endOf(body: Readable, left: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => {
      if (left.aborted || body.readableEnded) resolve()
      else reject(body.errored ?? endedEarly())
    }
    body.once('end', resolve)
    body.once('error', () => {}) // `close` follows, and tells it
    body.once('close', onClose)
    if (body.destroyed) onClose()
  })
}

function endedEarly(): StorageError {
  return new StorageError('ERR_BACKEND', 'The body of the file ended early.')
}
