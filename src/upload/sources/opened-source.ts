import type { Readable } from 'node:stream'

/** Bytes that can be read, and what is known of them beforehand. */
export interface OpenedSource {
  readonly source: Readable | Uint8Array
  readonly name?: string
  /** The media type that is claimed. */
  readonly type?: string
  /** In bytes. */
  readonly size?: number
}
