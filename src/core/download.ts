import { Readable } from 'node:stream'
import { abortError } from './abort.js'
import { StorageError } from './errors.js'

/** What a {@link Download} waits for. */
export interface DownloadOptions {
  key: string
  /** Milliseconds without a byte while somebody waits for one. */
  idleTimeout: number
  /** How many bytes must come, where the backend said so. */
  length?: number
  /** What must come out at the end, for a whole object. */
  checksum?: { of: { update(chunk: Uint8Array): void; toString(): string }; expected: string }
  signal?: AbortSignal
  /** Makes a StorageError of what the source fails with. */
  toError: (error: unknown) => StorageError
}

/**
 * The body of an answer, with an end: it fails when the backend falls silent, stops early, sends other bytes than
 * it stored, or is aborted. A reader that takes its time is no silence, so the socket's own timer will not do.
 */
export class Download extends Readable {
  readonly #source: Readable
  readonly #options: DownloadOptions
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: () => void
  #wanted = false
  #received = 0

  constructor(source: Readable, options: DownloadOptions) {
    super()
    this.#source = source
    this.#options = options
    this.#timer = setTimeout(() => this.#onSilence(), options.idleTimeout).unref()
    this.#onAbort = () => this.destroy(abortError(options.signal, { operation: 'get', key: options.key }))
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    source.on('data', (chunk: Uint8Array) => this.#onData(chunk))
    source.on('end', () => this.#onEnd())
    source.on('error', error => this.destroy(options.toError(error)))
    source.on('close', () => this.#onClose())
    source.pause()
  }

  override _read(): void {
    this.#wanted = true
    this.#timer.refresh()
    this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#source.destroy()
    callback(error)
  }

  #onData(chunk: Uint8Array): void {
    this.#received += chunk.length
    this.#options.checksum?.of.update(chunk)
    this.#timer.refresh()
    if (this.push(chunk)) return
    this.#wanted = false
    this.#source.pause()
  }

  #onEnd(): void {
    const { length, checksum } = this.#options
    if (length !== undefined && this.#received !== length)
      this.#fail('ERR_BACKEND', 'The storage ended the file early.')
    else if (checksum !== undefined && checksum.of.toString() !== checksum.expected)
      this.#fail('ERR_BACKEND', 'The bytes that came are not the ones that the storage holds.')
    else this.push(null)
  }

  #onClose(): void {
    if (!this.readableEnded && !this.#source.readableEnded)
      this.#fail('ERR_BACKEND', 'The storage closed the connection early.')
  }

  #onSilence(): void {
    if (this.#wanted) this.#fail('ERR_BACKEND_TIMEOUT', 'The storage fell silent in the middle of the file.')
  }

  #fail(code: 'ERR_BACKEND' | 'ERR_BACKEND_TIMEOUT', message: string): void {
    this.destroy(new StorageError(code, message, { operation: 'get', key: this.#options.key }))
  }
}
