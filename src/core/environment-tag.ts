import { text } from 'node:stream/consumers'
import type { Backends } from './backends.js'
import type { Driver } from './driver.js'
import { StorageError } from './errors.js'

/** Lies in no disk: their locations are words, and this one segment has a dot. */
const TAG_KEY = 'tenant-files-environment.txt'

const WORD = /^[A-Za-z0-9_-]{1,64}$/

/**
 * Keeps the environments apart. The first process that writes to a backend leaves a small object there which names
 * its environment; a process of another environment, with the wrong bucket in its settings, is then refused.
 */
export class EnvironmentTag {
  /** The word of this process. */
  readonly environment: string
  readonly #backends: Backends
  readonly #checks = new Map<string, Promise<void>>()

  /** @throws ERR_CONFIG for an environment that is no word */
  constructor(environment: string, backends: Backends) {
    if (!WORD.test(environment)) {
      throw new StorageError(
        'ERR_CONFIG',
        'The environment must be a word of at most 64 letters, digits, "_" or "-", for example "production".',
      )
    }
    this.environment = environment
    this.#backends = backends
  }

  /**
   * Looks at a backend before the first write to it, and not again once it is right.
   *
   * @throws ERR_ENVIRONMENT_MISMATCH, and what the backend's driver throws
   */
  assertOurs(backend: string): Promise<void> {
    const known = this.#checks.get(backend)
    if (known !== undefined) return known
    const check = this.#check(backend).catch(error => {
      this.#checks.delete(backend)
      throw error
    })
    this.#checks.set(backend, check)
    return check
  }

  /**
   * The same for who only reads: a backend that is nobody's stays so.
   *
   * @throws ERR_ENVIRONMENT_MISMATCH, and what the backend's driver throws
   */
  async assertNobodyElses(backend: string): Promise<void> {
    if (this.#checks.has(backend)) return this.assertOurs(backend)
    const owner = await readTag(await this.#backends.open(backend))
    if (owner !== undefined) this.#assertSame(owner, backend)
  }

  async #check(backend: string): Promise<void> {
    const driver = await this.#backends.open(backend)
    this.#assertSame((await readTag(driver)) ?? (await placeTag(driver, this.environment)), backend)
  }

  #assertSame(owner: string | undefined, backend: string): void {
    if (owner === this.environment) return
    throw new StorageError(
      'ERR_ENVIRONMENT_MISMATCH',
      `This bucket belongs to the environment ${JSON.stringify(owner)}; this process is ${JSON.stringify(this.environment)}. Give each environment a bucket of its own.`,
      { backend, key: TAG_KEY },
    )
  }
}

/** The environment that a backend belongs to; undefined while it belongs to none. */
export async function readTag(driver: Driver): Promise<string | undefined> {
  try {
    const { body } = await driver.get(TAG_KEY)
    return (await text(body)).trim().slice(0, 64)
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return undefined
    throw error
  }
}

/** Reads it back: not every storage lets exactly one of two first processes win. */
async function placeTag(driver: Driver, environment: string): Promise<string | undefined> {
  try {
    const options = { contentType: 'text/plain', ifNoneMatch: '*' } as const
    await driver.put(TAG_KEY, Buffer.from(`${environment}\n`), options)
  } catch (error) {
    if (!StorageError.is(error, 'ERR_FILE_EXISTS')) throw error
  }
  return readTag(driver)
}
