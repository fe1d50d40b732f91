import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cut, type PlannedUpload, randomFrom } from './plan.js'

/** Milliseconds after which a server counts as hanging. */
const PATIENCE = 60_000

/** What the client saw. `undefined`: it went without an answer. */
export type Answer = { status: number; body: string } | undefined

/** Sends a planned upload, at most until its cut. Rejects only when the server breaks its side of the bargain. */
export async function send(upload: PlannedUpload, port: number): Promise<Answer> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  socket.setTimeout(PATIENCE, () => socket.destroy(new Error(`${upload.name} hangs`)))
  const answer = answerOn(socket)
  answer.catch(() => {})
  try {
    await once(socket, 'connect')
    const { cut } = upload
    await write(socket, upload)
    if (cut === undefined) return await answer
    await leave(socket, cut)
    // What was answered before the client left, if anything.
    return await answer.catch(() => undefined)
  } finally {
    socket.destroy()
  }
}

async function write(socket: Socket, upload: PlannedUpload): Promise<void> {
  const random = randomFrom(upload.seed)
  const closed = once(socket, 'close').catch(() => {})
  for (const piece of piecesOf(upload)) {
    if (!socket.writable) return
    const isTaken = socket.write(piece)
    if (!isTaken) await Promise.race([once(socket, 'drain').catch(() => {}), closed])
    if (random() < upload.hesitation) await sleep(random() * 10)
  }
}

function* piecesOf({ request, piece, cut }: PlannedUpload): Generator<Buffer> {
  let left = cut?.bytes ?? Number.POSITIVE_INFINITY
  for (const part of request) {
    for (let start = 0; start < part.length && left > 0; start += piece) {
      const bytes = part.subarray(start, Math.min(start + piece, start + left))
      left -= bytes.length
      yield bytes
    }
  }
}

async function leave(socket: Socket, { pause, farewell }: Cut): Promise<void> {
  if (pause > 0) await sleep(pause)
  if (farewell === 'reset') socket.resetAndDestroy()
  else socket.destroy()
}

function answerOn(socket: Socket): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.on('data', chunk => (text += chunk.toString('latin1')))
    socket.once('error', reject)
    socket.once('close', () => {
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) reject(new Error('The connection ended without an answer.'))
      else resolve({ status: Number(text.slice(9, 12)), body: text.slice(end + 4) })
    })
  })
}

/** Works on all of them, so many at a time. */
export async function forEachAtOnce<T>(
  values: readonly T[],
  atOnce: number,
  work: (value: T) => Promise<void>,
): Promise<void> {
  const rest = values.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const value of rest) await work(value)
    }),
  )
}
