import { Readable } from 'node:stream'

/** How many pieces wait for the driver before the source is paused. A piece of node's streams has up to 64 KiB. */
const PIECES_IN_FLIGHT = 4

/** What a stream of {@link Pieces} tells. */
interface PiecesEvents {
  read(): void
  onTaken(): void
  onDestroyed(): void
}

/** The way to the driver. Of objects, although they are bytes: a stream of bytes joins what waits in it when it is read. */
export class Pieces extends Readable {
  readonly #events: PiecesEvents

  constructor(events: PiecesEvents) {
    super({ objectMode: true, highWaterMark: PIECES_IN_FLIGHT })
    this.#events = events
  }

  override read(size?: number): unknown {
    const piece = super.read(size)
    if (piece !== null) this.#events.onTaken()
    return piece
  }

  override _read(): void {
    this.#events.read()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#events.onDestroyed()
    done(error)
  }
}
