import { addAbortSignal } from 'node:stream'
import { FillingBody } from '../../core/filling-body.js'
import { closeFile, readPart } from './descriptor.js'
import { fileSystemError } from './local-errors.js'

/** A part of an open file, which is closed at its end and when the stream is destroyed. */
export class FileBody extends FillingBody {
  readonly #file: number
  #position: number
  readonly #end: number
  /** A file must not be closed under a read: its number may be that of another one by then. */
  #reading: Promise<unknown> | undefined

  /** @param start of the first byte; the part holds `length` of them */
  constructor(
    file: number,
    { start, length }: { start: number; length: number },
    signal: AbortSignal | undefined,
  ) {
    super()
    this.#file = file
    this.#position = start
    this.#end = start + length
    if (signal !== undefined) addAbortSignal(signal, this)
  }

  get left(): number {
    return this.#end - this.#position
  }

  async fill(into: Uint8Array): Promise<number> {
    if (this.destroyed) throw this.errored ?? new Error('The file is closed.')
    const part = into.subarray(0, this.left)
    this.#reading = readPart(this.#file, part, this.#position)
    try {
      await this.#reading
    } catch (error) {
      throw fileSystemError(error, 'get')
    } finally {
      this.#reading = undefined
    }
    this.#position += part.length
    return part.length
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const end = () => {
      closeFile(this.#file)
      done(error)
    }
    if (this.#reading === undefined) end()
    else this.#reading.then(end, end)
  }
}
