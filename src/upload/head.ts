import type { Readable } from 'node:stream'
import { finished } from 'node:stream'
import { bodyError } from '../core/abort.js'

/** The start of a stream, and whether that is all of it. */
export interface Head {
  readonly bytes: Buffer
  readonly isAll: boolean
}

/**
 * Reads the first bytes of a stream and puts them back, so that the stream can be read from its start again.
 * Always settles: with the head, with the end of a short stream, or with the stream's failure.
 *
 * @returns up to `length` bytes, or more where a piece went beyond it; with `isAll` the stream is used up
 * @throws the stream's own StorageError, ERR_UPLOAD_ABORTED for any other failure and for an early close
 */
export async function readHead(stream: Readable, length: number): Promise<Head> {
  const pieces: Buffer[] = []
  let size = 0
  const isAll = await new Promise<boolean>((resolve, reject) => {
    const onReadable = () => {
      for (let piece: Buffer | null = stream.read(); piece !== null; piece = stream.read()) {
        pieces.push(piece)
        size += piece.length
        if (size >= length) {
          // At once: a moment later, a stream that has nothing more to give has ended, and takes nothing back.
          stream.unshift(joined(pieces))
          return settle(() => resolve(false))
        }
      }
    }
    const stopWatching = finished(stream, { writable: false }, error => {
      settle(() => (error ? reject(bodyError(error)) : resolve(true)))
    })
    const settle = (then: () => void) => {
      stream.off('readable', onReadable)
      stopWatching()
      then()
    }
    stream.on('readable', onReadable)
  })
  return { bytes: joined(pieces), isAll }
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
}
