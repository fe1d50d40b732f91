import { randomUUID } from 'node:crypto'
import type { CallOptions } from '../core/call-limits.js'
import type { Driver } from '../core/driver.js'
import { listKeys, store, TEXT } from './driver-cases-support.js'
import { type Relay, startRelay } from './relay.js'

/** What a case of {@link remoteDriverCases} runs against. */
export interface RemoteDriverCaseContext {
  /** The origin of a real backend: `http://127.0.0.1:7480`. Its path, if any, is for `through` to add. */
  readonly target: string
  /** Nobody else's, empty, and ending with `/`. */
  readonly prefix: string
  /** A driver on one and the same bucket whose requests go to `endpoint`; the case closes it. */
  through(endpoint: string, limits: CallOptions): Driver
}

/** One promise about a backend that fails. Plain data: any test runner can run it. */
export interface RemoteDriverCase {
  /** A sentence about behaviour. */
  readonly name: string
  /** Rejects when the driver does not keep the promise. */
  run(context: RemoteDriverCaseContext): Promise<void>
}

/** What a case is given: a relay that works well until it is told otherwise. */
export interface Scene {
  relay: Relay
  /** A driver whose requests pass the relay, or go to another address. */
  driver(limits: CallOptions, endpoint?: string): Driver
  /** Of nothing, below the prefix. */
  key: string
}

/** Fast enough for tests, and slow enough for a busy machine. */
export const QUICK: CallOptions = { retryDelay: 5, maxRetryDelay: 50 }

/** A case with a relay, and drivers that are closed at its end. */
export function remoteCase(name: string, play: (scene: Scene) => Promise<void>): RemoteDriverCase {
  return {
    name,
    async run({ target, prefix, through }) {
      const relay = await startRelay(target)
      const drivers: Driver[] = []
      const driver = (limits: CallOptions, endpoint = relay.endpoint) => {
        const made = through(endpoint, { ...QUICK, ...limits })
        drivers.push(made)
        return made
      }
      try {
        await play({ relay, driver, key: `${prefix}${randomUUID()}.txt` })
      } finally {
        for (const made of drivers) await made.close?.()
        await relay.close()
      }
    },
  }
}

/** One call of every method that speaks to the backend. */
export const METHODS: { name: string; call: (driver: Driver, key: string) => Promise<unknown> }[] = [
  { name: 'get', call: async (driver, key) => (await driver.get(key)).body.destroy() },
  {
    name: 'get of a range',
    call: async (driver, key) => (await driver.get(key, { range: { suffix: 1 } })).body.destroy(),
  },
  { name: 'head', call: (driver, key) => driver.head(key) },
  { name: 'copy', call: (driver, key) => driver.copy(key, `${key}.copy`) },
  { name: 'put', call: (driver, key) => driver.put(`${key}.new`, Buffer.from('new'), TEXT) },
  { name: 'list', call: (driver, key) => listKeys(driver, folderOf(key)) },
  { name: 'delete', call: (driver, key) => driver.delete(key) },
]

export async function storeOne({ driver, key }: Scene): Promise<void> {
  await store(driver({}), key, 'stored')
}

export function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1)
}
