import type { Driver } from './driver.js'
import { StorageError } from './errors.js'

/** A configured backend: its driver, or a function that loads one (so that an SDK is loaded only when needed). */
export type BackendSource = Driver | (() => Promise<Driver>)

// The ledger keeps the name in a column of that length.
const NAME = /^[A-Za-z0-9_-]{1,64}$/

/** The configured backends by name. Each stored row remembers the name, so several serve side by side. */
export class Backends {
  readonly names: readonly string[]
  readonly #sources: ReadonlyMap<string, BackendSource>
  readonly #drivers = new Map<string, Driver>()
  readonly #opening = new Map<string, Promise<Driver>>()
  readonly #opened = new Map<string, Driver>()

  /** @throws ERR_CONFIG for a name that is no word, and for what is no driver */
  constructor(sources: Readonly<Record<string, BackendSource>>) {
    this.#sources = new Map(Object.entries(sources))
    this.names = [...this.#sources.keys()]
    for (const [name, source] of this.#sources) {
      if (!NAME.test(name)) throw invalidName(name)
      if (!isSource(source)) throw noDriver(name)
      if (typeof source !== 'function') this.#drivers.set(name, source)
    }
  }

  /** Opens all of them. One that fails does not keep the others from it, and may be tried again. */
  async ready(): Promise<void> {
    const attempts = await Promise.allSettled(this.names.map(name => this.open(name)))
    const failed = attempts.find(attempt => attempt.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /**
   * The driver of one backend, loaded and warm. It waits for no other backend: one that cannot be reached must
   * not stop those that can.
   *
   * @throws ERR_BACKEND_UNKNOWN, and what the driver's own `ready` throws
   */
  open(name: string): Promise<Driver> {
    const known = this.#opening.get(name)
    if (known !== undefined) return known
    const opening = this.#open(name).then(
      driver => {
        // A storage that was closed meanwhile opens its drivers anew.
        if (this.#opening.get(name) === opening) this.#opened.set(name, driver)
        return driver
      },
      error => {
        this.#opening.delete(name)
        throw error
      },
    )
    this.#opening.set(name, opening)
    return opening
  }

  /** What {@link open} gives, without waiting; undefined where there is something to wait for. */
  opened(name: string): Driver | undefined {
    return this.#opened.get(name)
  }

  async #open(name: string): Promise<Driver> {
    const source = this.#sources.get(name)
    const driver = this.#drivers.get(name) ?? (typeof source === 'function' ? await source() : source)
    if (driver === undefined) throw unknownBackend(name, this.names)
    this.#drivers.set(name, driver)
    await driver.ready()
    return driver
  }

  /** @throws ERR_BACKEND_UNKNOWN, ERR_NOT_READY before the driver is loaded */
  get(name: string): Driver {
    const driver = this.#drivers.get(name)
    if (driver !== undefined) return driver
    if (!this.#sources.has(name)) throw unknownBackend(name, this.names)
    throw new StorageError(
      'ERR_NOT_READY',
      'The storage is not ready. Wait for `await storage.ready()` at start-up.',
      { backend: name },
    )
  }

  has(name: string): boolean {
    return this.#sources.has(name)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#drivers.values()].map(driver => driver.close?.()))
    this.#opening.clear()
    this.#opened.clear()
  }
}

function invalidName(name: string): StorageError {
  return new StorageError(
    'ERR_CONFIG',
    `A backend's name is 1 to 64 letters, digits, "_" or "-"; got ${JSON.stringify(name)}.`,
  )
}

function unknownBackend(name: string, known: readonly string[]): StorageError {
  return new StorageError(
    'ERR_BACKEND_UNKNOWN',
    `No backend is called "${name}". Configured: ${known.join(', ') || 'none'}.`,
    {
      backend: name,
    },
  )
}

/** Callers without a compiler give classes, options and environment variables that are not set. */
function isSource(source: unknown): boolean {
  if (typeof source === 'function') return !/^class\b/.test(Function.prototype.toString.call(source))
  return typeof source === 'object' && source !== null && 'put' in source && 'get' in source
}

const noDriver = (name: string) =>
  new StorageError(
    'ERR_CONFIG',
    `The backend "${name}" is no driver: give an instance, such as new LocalDriver({ … }).`,
  )
