import { StorageError } from '../core/errors.js'
import { hasListeners, publish, type StorageEvents, type UploadPhase } from '../core/events.js'
import { isThenable } from '../core/thenable.js'
import { warn } from '../core/warn.js'

/** How far one upload is. */
export type UploadProgress = StorageEvents['progress']

/** What is the same in all reports of one upload. */
export type ProgressSubject = Omit<UploadProgress, 'phase' | 'bytes' | 'error'>

/** May be an async function as well: TypeScript takes one for this, and a rejection that nobody hears ends the process. */
type Listener = (progress: UploadProgress) => void

/** The least time between two reports of bytes, in milliseconds. */
const PERIOD = 100

/** Tells how far one upload is, to its own listener and to those of the event. */
export class Progress {
  readonly #subject: ProgressSubject
  readonly #onBroken: (reason: StorageError) => void
  #listener: Listener | undefined
  #toldAt = Number.NEGATIVE_INFINITY
  /** Whether there is nothing to end any more. */
  #isOver = false

  constructor(
    subject: ProgressSubject,
    listener: Listener | undefined,
    onBroken: (reason: StorageError) => void,
  ) {
    this.#subject = subject
    this.#listener = listener
    this.#onBroken = onBroken
  }

  /** Told of every piece; most of them are passed over. */
  receive(bytes: number): void {
    const now = performance.now()
    if (now - this.#toldAt < PERIOD) return
    this.#toldAt = now
    this.tell('receiving', bytes)
  }

  tell(phase: UploadPhase, bytes: number, error?: unknown): void {
    const progress = { ...this.#subject, phase, bytes, ...(error === undefined ? {} : { error }) }
    publish('progress', progress)
    this.#isOver = phase === 'failed'
    try {
      const told: unknown = this.#listener?.(progress)
      if (isThenable(told)) told.then(undefined, cause => this.#onFault(cause))
    } catch (cause) {
      // Called from events of the source, where an exception would end the process.
      this.#onFault(cause)
    }
    // Who throws at once still ends the upload; a rejection comes too late.
    this.#isOver ||= phase === 'confirmed'
  }

  #onFault(cause: unknown): void {
    if (this.#listener === undefined) return
    this.#listener = undefined
    const why = cause instanceof Error ? `: ${cause.message}` : '.'
    if (this.#isOver) warn('ONPROGRESS_FAILED', `The function onProgress failed after the upload${why}`)
    else this.#onBroken(new StorageError('ERR_CONFIG', 'The function onProgress failed.', { cause }))
  }
}

/** Undefined where nobody listens when the upload begins: then progress costs nothing. */
export function progressOf(
  subject: () => ProgressSubject,
  listener: Listener | undefined,
  onBroken: (reason: StorageError) => void,
): Progress | undefined {
  if (listener === undefined && !hasListeners('progress')) return undefined
  return new Progress(subject(), listener, onBroken)
}
