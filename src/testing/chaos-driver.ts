import { endBody, readBody, takeBody } from '../core/body.js'
import type {
  CopyOptions,
  Driver,
  DriverCapabilities,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
} from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { cutShort, failAfter, hold } from './chaos-faults.js'
import { type ChaosFault, type ChaosMethod, type ChaosRule, ChaosSchedule } from './chaos-schedule.js'

/** What {@link ChaosDriver} does, and to whom. */
export interface ChaosOptions {
  /** The first rule that applies to a call decides. */
  rules: readonly ChaosRule[]
  /** The same seed and the same calls give the same faults. Default 1. */
  seed?: number
}

/** One fault that happened. */
export interface InjectedFault {
  method: ChaosMethod
  /** Of the object; the prefix for `list`. */
  key: string
  fault: ChaosFault
}

/** What a call is about: the operation that errors name. */
interface Place {
  method: ChaosMethod
  key: string
  signal?: AbortSignal
}

/**
 * Any driver, but with faults: errors, slowness, silence, bodies that break off, answers that get lost. For tests of
 * what an application does then. It keeps the driver contract in all of them: bodies are consumed or destroyed,
 * signals are honoured, errors are StorageErrors, and every wait has an end.
 *
 * @example
 * const driver = new ChaosDriver(new MemoryDriver(), {
 *   rules: [{ method: 'put', every: 3, fault: { kind: 'error', code: 'ERR_BACKEND' } }],
 * })
 */
export class ChaosDriver implements Driver {
  /** Everything that happened so far, in order. */
  readonly injected: InjectedFault[] = []
  readonly #driver: Driver
  readonly #schedule: ChaosSchedule
  #isCalm = false

  /** @throws ERR_CONFIG for rules that make no sense */
  constructor(driver: Driver, options: ChaosOptions) {
    this.#driver = driver
    this.#schedule = new ChaosSchedule(options.rules, options.seed ?? 1)
  }

  get kind(): string {
    return this.#driver.kind
  }

  get capabilities(): DriverCapabilities {
    return this.#driver.capabilities
  }

  get bucket(): string | undefined {
    return this.#driver.bucket
  }

  /** Made without waiting, so nothing happens to it. */
  get signUrl(): Driver['signUrl'] {
    return this.#driver.signUrl?.bind(this.#driver)
  }

  get publicUrl(): Driver['publicUrl'] {
    return this.#driver.publicUrl?.bind(this.#driver)
  }

  get copySource(): Driver['copySource'] {
    return this.#driver.copySource?.bind(this.#driver)
  }

  get copyFrom(): Driver['copyFrom'] {
    const copyFrom = this.#driver.copyFrom?.bind(this.#driver)
    return copyFrom === undefined
      ? undefined
      : async (source, key, options) =>
          this.#around({ method: 'copyFrom', key, signal: options.signal }, () =>
            copyFrom(source, key, options),
          )
  }

  /** From now on nothing happens any more, so that a test can look at what is there. */
  calm(): void {
    this.#isCalm = true
  }

  ready(): Promise<void> {
    return this.#around({ method: 'ready', key: '' }, () => this.#driver.ready())
  }

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    takeBody(body)
    try {
      const place: Place = { method: 'put', key, signal: options.signal }
      const cut = (after: number) => swallow(body, after, options)
      return await this.#around(place, () => this.#driver.put(key, body, options), cut)
    } finally {
      endBody(body)
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    const place: Place = { method: 'get', key, signal: options.signal }
    const fault = await this.#begin(place)
    const result = await this.#driver.get(key, options)
    if (fault?.kind === 'cut') return { ...result, body: failAfter(result.body, fault.after, broken(place)) }
    if (fault?.kind === 'short') return { ...result, body: cutShort(result.body, fault.after) }
    if (fault?.kind !== 'lose') return result
    endBody(result.body)
    throw lost(place)
  }

  head(key: string, options: OperationOptions = {}): Promise<ObjectInfo> {
    const place: Place = { method: 'head', key, signal: options.signal }
    return this.#around(place, () => this.#driver.head(key, options))
  }

  delete(key: string, options: OperationOptions = {}): Promise<void> {
    const place: Place = { method: 'delete', key, signal: options.signal }
    return this.#around(place, () => this.#driver.delete(key, options))
  }

  copy(from: string, to: string, options: CopyOptions = {}): Promise<void> {
    const place: Place = { method: 'copy', key: from, signal: options.signal }
    return this.#around(place, () => this.#driver.copy(from, to, options))
  }

  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    const place: Place = { method: 'list', key: prefix, signal: options.signal }
    const fault = await this.#begin(place)
    let left = fault?.kind === 'cut' ? fault.after : Number.POSITIVE_INFINITY
    for await (const entry of this.#driver.list(prefix, options)) {
      if (left-- <= 0) break
      yield entry
    }
    if (fault?.kind === 'cut') throw broken(place)
    if (fault?.kind === 'lose') throw lost(place)
  }

  async close(): Promise<void> {
    await this.#driver.close?.()
  }

  /** A call whose answer is no stream. @param cut what a broken connection does before it fails */
  async #around<T>(
    place: Place,
    run: () => Promise<T>,
    cut: (after: number) => Promise<void> = async () => {},
  ): Promise<T> {
    const fault = await this.#begin(place)
    if (fault?.kind === 'cut') {
      await cut(fault.after)
      throw broken(place)
    }
    const result = await run()
    if (fault?.kind === 'lose') throw lost(place)
    return result
  }

  /** Chooses the fault of a call, and does what comes before the driver is asked. */
  async #begin({ method, key, signal }: Place): Promise<ChaosFault | undefined> {
    const fault = this.#isCalm ? undefined : this.#schedule.next(method, key)
    if (fault === undefined) return undefined
    this.injected.push({ method, key, fault })
    if (fault.kind === 'error') throw chaos(fault.code, 'an error', { method, key })
    if (fault.kind === 'delay' || fault.kind === 'hang') await hold(fault.ms, signal)
    if (fault.kind === 'hang') throw chaos('ERR_BACKEND_TIMEOUT', 'a silence', { method, key })
    return fault
  }
}

/** Takes so many bytes of a body, as a backend does whose connection then breaks. */
async function swallow(body: PutBody, after: number, options: PutOptions): Promise<void> {
  let left = after
  for await (const chunk of readBody(body, options)) {
    left -= chunk.length
    if (left <= 0) return
  }
}

function broken(place: Place): StorageError {
  return chaos('ERR_BACKEND', 'a connection that broke', place)
}

function lost(place: Place): StorageError {
  return chaos('ERR_BACKEND_TIMEOUT', 'an answer that got lost', place)
}

function chaos(code: StorageError['code'], what: string, { method, key }: Place): StorageError {
  return new StorageError(code, `Chaos: ${what}.`, { operation: method, key })
}
