import { pipeline, type Readable, Transform } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { throwIfAborted } from '../core/abort.js'

/** Waits, or rejects with what the signal was aborted for. */
export async function hold(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal)
  await sleep(ms, undefined, { signal }).catch(() => throwIfAborted(signal))
}

/** The first bytes of a body, and then an error: in the place of its end at the latest. */
export function failAfter(body: Readable, bytes: number, error: Error): Readable {
  let left = bytes
  return through(
    body,
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        const part = chunk.subarray(0, left)
        left -= part.length
        this.push(part)
        done(left > 0 ? null : error)
      },
      flush: done => done(error),
    }),
  )
}

/** The first bytes of a body, and then its end. */
export function cutShort(body: Readable, bytes: number): Readable {
  let left = bytes
  return through(
    body,
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        const part = chunk.subarray(0, left)
        left -= part.length
        done(null, part)
      },
    }),
  )
}

/** Whichever of both ends early ends the other one. */
function through(body: Readable, transform: Transform): Readable {
  return pipeline(body, transform, () => {})
}
