import type { ContainerClient } from '@azure/storage-blob'
import { type BackendCall, BackendCalls } from '../../core/backend-calls.js'
import { isTransient, retryAfter, toStorageError } from './azure-errors.js'
import type { AzureLimits } from './options.js'

/**
 * Sends requests through the SDK, as {@link BackendCalls} says. The SDK's own policy has no time-out for one try, so a
 * server that is silent would be waited for only once.
 */
export class AzureCalls {
  readonly client: ContainerClient
  readonly limits: AzureLimits
  readonly #calls: BackendCalls

  /** @param ownership of a client that is `shared`, whose pipeline has tries of its own */
  constructor(client: ContainerClient, limits: AzureLimits, ownership: 'own' | 'shared') {
    this.client = client
    this.limits = limits
    const container = client.containerName
    const toError = (error: unknown, { operation, key }: BackendCall) =>
      toStorageError(error, { operation, key, container })
    const rules = { toError, isTransient, retryAfter }
    this.#calls = new BackendCalls(limits, rules, ownership === 'own' ? 'own' : 'foreign')
  }

  get container(): string {
    return this.client.containerName
  }

  /** Runs `send`, once or several times, with what ends it. */
  run<T>(call: BackendCall, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#calls.run(call, ({ signal }) => send(signal))
  }
}
