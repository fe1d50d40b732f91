import type { Driver } from './driver.js'
import { StorageError } from './errors.js'

/** A configured backend: its driver, or a function that loads one (so that an SDK is loaded only when needed). */
export type BackendSource = Driver | (() => Promise<Driver>)

/** The configured backends by name. Each stored row remembers the name, so several serve side by side. */
export class Backends {
  readonly names: readonly string[]
  readonly #sources: ReadonlyMap<string, BackendSource>
  readonly #drivers = new Map<string, Driver>()
  #ready: Promise<void> | undefined

  constructor(sources: Readonly<Record<string, BackendSource>>) {
    this.#sources = new Map(Object.entries(sources))
    this.names = [...this.#sources.keys()]
    for (const [name, source] of this.#sources) {
      if (typeof source !== 'function') this.#drivers.set(name, source)
    }
  }

  /** Loads and warms all drivers, once; a failed attempt may be repeated. */
  async ready(): Promise<void> {
    this.#ready ??= this.#warm().catch(error => {
      this.#ready = undefined
      throw error
    })
    await this.#ready
  }

  /** Waits for all of them, also when one fails: the next attempt must not load a second driver beside a slow one. */
  async #warm(): Promise<void> {
    const attempts = await Promise.allSettled(this.names.map(async name => (await this.#load(name)).ready()))
    const failed = attempts.find(attempt => attempt.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #load(name: string): Promise<Driver> {
    const source = this.#sources.get(name)
    const driver = this.#drivers.get(name) ?? (typeof source === 'function' ? await source() : source)
    if (driver === undefined) throw unknownBackend(name, this.names)
    this.#drivers.set(name, driver)
    return driver
  }

  /** @throws ERR_BACKEND_UNKNOWN, ERR_NOT_READY before {@link ready} has loaded the driver */
  get(name: string): Driver {
    const driver = this.#drivers.get(name)
    if (driver !== undefined) return driver
    if (!this.#sources.has(name)) throw unknownBackend(name, this.names)
    throw new StorageError(
      'ERR_NOT_READY',
      'The storage is not ready. Wait for `await storage.ready()` at start-up.',
      {
        backend: name,
      },
    )
  }

  has(name: string): boolean {
    return this.#sources.has(name)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#drivers.values()].map(driver => driver.close?.()))
    this.#ready = undefined
  }
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
