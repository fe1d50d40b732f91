import diagnosticsChannel, { type Channel } from 'node:diagnostics_channel'

/**
 * What the library tells whoever listens. Each event is a channel of node's `diagnostics_channel` named
 * `tenant-files:<event>`: publishing costs next to nothing while nobody subscribes.
 */
export interface StorageEvents {
  /** A file is stored, or storing it failed. One that is refused by its name, type or first bytes is no attempt. */
  upload: {
    disk: string
    backend: string
    tenant: string | null
    key: string
    size: number
    type: string
    error?: unknown
  }
  /**
   * How far an upload is: at each change of its phase, and every tenth of a second while bytes arrive. Begun before its
   * first byte is read, so also of files that are refused.
   */
  progress: {
    id: string
    phase: UploadPhase
    bytes: number
    total?: number
    disk: string
    tenant: string | null
    name: string
    field?: string
    error?: unknown
  }
  /** Somebody asked for what belongs to another tenant. Worth an alarm. */
  denied: {
    disk: string
    backend: string
    operation: string
    tenant: string | null
    owner: string | null
    key: string
  }
  /** Code runs outside of any tenant, on purpose. */
  system: { reason: string }
  /** `toJSON` could not give a URL and wrote null. */
  unresolved: { disk: string; backend: string; tenant: string | null; key: string; error: unknown }
  /** An upload was refused because it would not fit into its tenant's quota. All in bytes. */
  quota: { tenant: string; asked: number; used: number; limit: number }
  /** Something is left that needs a later clean-up. The key is the object's, as far as it is known. */
  leftover: { backend: string; key: string; error: unknown }
  /** The reaper has been through one ledger: how it went, and how far behind it is. */
  reaper: {
    /** The name given to `withFiles`. */
    ledger: string
    /** Lines that were taken up. */
    taken: number
    /** Objects that are deleted. */
    deleted: number
    /** Lines whose object could not be deleted now; they are tried again later, or are dead. */
    failed: number
    /** Lines that wait for `retryDead`, all in all. */
    dead: number
    /** Lines that are due and still there. */
    backlog: number
    /** How long the oldest of the backlog has been due, in seconds. */
    lag: number
    /** Why the reaper could not go on; then the numbers are of what came before. */
    error?: unknown
  }
  /** The set-up works, but is worth a second look. */
  warning: { code: string; message: string }
}

/**
 * Where an upload is: `receiving` bytes; `received` all of them; `stored` by the backend; `confirmed` by the ledger, which
 * is its good end; or `failed`.
 */
export type UploadPhase = 'receiving' | 'received' | 'stored' | 'confirmed' | 'failed'

/** The name of an event. */
export type StorageEvent = keyof StorageEvents

/**
 * Listens to an event of all storages in this process.
 *
 * @returns a function that ends the subscription
 * @example
 * const stop = onStorageEvent('denied', ({ tenant, owner, key }) => audit.warn({ tenant, owner, key }))
 */
export function onStorageEvent<E extends StorageEvent>(
  event: E,
  listener: (payload: StorageEvents[E]) => void,
): () => void {
  const subscriber = (payload: unknown) => listener(payload as StorageEvents[E])
  const name = channelName(event)
  diagnosticsChannel.subscribe(name, subscriber)
  return () => void diagnosticsChannel.unsubscribe(name, subscriber)
}

/** Whether anybody listens: for events that cost something to make. */
export function hasListeners(event: StorageEvent): boolean {
  return channelOf(event).hasSubscribers
}

/** Publishes an event. A listener that throws does not reach the caller (node reports it as uncaught). */
export function publish<E extends StorageEvent>(event: E, payload: StorageEvents[E]): void {
  const channel = channelOf(event)
  if (channel.hasSubscribers) channel.publish(payload)
}

/** Node lets go of a channel that nobody holds, and looks it up by its name each time. */
const channels: Readonly<Partial<Record<StorageEvent, Channel>>> = {
  upload: diagnosticsChannel.channel(channelName('upload')),
  progress: diagnosticsChannel.channel(channelName('progress')),
}

function channelOf(event: StorageEvent): Channel {
  return channels[event] ?? diagnosticsChannel.channel(channelName(event))
}

function channelName(event: StorageEvent): string {
  return `tenant-files:${event}`
}
