import { afterEach, beforeEach, expect, onTestFinished } from 'vitest'
import type { PutBody, PutOptions, PutResult } from '../../src/core/driver.js'
import { onStorageEvent, type StorageEvent, type StorageEvents } from '../../src/core/events.js'
import {
  type BackendSource,
  createStorage,
  type Ledger,
  runWithTenant,
  type Storage,
  type StorageError,
  type StorageOptions,
} from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'

export const SECRET = 'a secret that is long enough'

/** A storage over one driver, called `memory`. */
export function storageOver(driver: BackendSource, options: Partial<StorageOptions> = {}): Storage {
  return createStorage({ secret: SECRET, backends: { memory: driver }, ...options })
}

export const asAcme = <T>(fn: () => T): T => runWithTenant('acme', fn)

export async function keysOf(driver: MemoryDriver): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of driver.list('')) keys.push(key)
  return keys
}

/** What a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<StorageError> {
  return promise.then(
    value => {
      throw new Error(`resolved with ${JSON.stringify(value)}`)
    },
    error => error,
  )
}

/** The real driver for tests, with a word before and after each `put`, and a count of the calls. */
export class WatchedDriver extends MemoryDriver {
  puts = 0
  /** Called before the body is touched. */
  before: (key: string, body: PutBody, options: PutOptions) => Promise<void> | void = () => {}
  /** Called when the object is there. */
  after: (key: string, options: PutOptions) => Promise<void> | void = () => {}
  /** Called before an object is deleted. */
  deleting: (key: string) => Promise<void> | void = () => {}

  override async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    this.puts++
    await this.before(key, body, options)
    const result = await super.put(key, body, options)
    await this.after(key, options)
    return result
  }

  override async delete(key: string): Promise<void> {
    await this.deleting(key)
    await super.delete(key)
  }
}

/** A ledger that writes down what it is asked, and fails where it is told to. */
export class RecordingLedger implements Ledger {
  readonly lines: string[] = []
  readonly failing: Partial<Record<'stage' | 'confirm' | 'abandon' | 'discard', unknown>> = {}
  /** Keys that a row points to. */
  readonly claimed = new Set<string>()

  note(line: string): void {
    this.lines.push(line)
  }

  /** Opens it as the ledger of a storage. */
  openFor(storage: Storage): this {
    storage.ledgers.register('recording').open(this)
    return this
  }

  stage: Ledger['stage'] = async () => {
    this.#step('stage')
    return {
      recordMultipart: async () => this.note('multipart'),
      confirm: async size => this.#step('confirm', ` ${size}`),
      abandon: async () => this.#step('abandon'),
      leave: () => this.note('leave'),
    }
  }

  discard: Ledger['discard'] = async (_backend, objectKey, remove) => {
    this.#step('discard')
    if (!this.claimed.has(objectKey)) await remove()
  }

  #step(step: 'stage' | 'confirm' | 'abandon' | 'discard', detail = ''): void {
    this.note(step + detail)
    if (this.failing[step] !== undefined) throw this.failing[step]
  }
}

/** All events of a kind during this test. */
export function eventsOf<E extends StorageEvent>(event: E): StorageEvents[E][] {
  const events: StorageEvents[E][] = []
  onTestFinished(onStorageEvent(event, payload => events.push(payload)))
  return events
}

/** Fails each test of a file during which a rejection or an exception had nobody to catch it. */
export function failOnUnhandled(): void {
  const unhandled: unknown[] = []
  const note = (error: unknown) => void unhandled.push(error)
  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', note)
    process.on('uncaughtException', note)
  })
  afterEach(async () => {
    await new Promise(resolve => setTimeout(resolve, 5))
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
    expect(unhandled).toEqual([])
  })
}
