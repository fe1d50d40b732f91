import type { OptionNames } from '../../core/known-options.js'

/** How `pushStatic` does its work. */
export interface PushStaticOptions {
  /** The disk's name: tenancy `none`, public, overwriting allowed. Default: `static`. */
  disk?: string
  /** What stands in front of every name: empty, or ending with `/`. Default: empty. */
  prefix?: string
  /** Files and folders whose name starts with a dot: `.DS_Store`, `.git`, `.env`. Default: `skip`. */
  dotFiles?: 'skip' | 'include'
  /** What to do with files that an earlier push stored and that are not in the folder any more. Default: `keep`. */
  stale?: 'keep' | 'delete'
  /** How long a file must have been missing before it is deleted, in seconds. Default: 86,400 (a day). */
  staleAfter?: number
  /** The Cache-Control of one file; undefined leaves it to what the name says. */
  cacheControl?: (name: string) => string | undefined
  /** How many files are worked on at the same time. Default: 8. */
  concurrency?: number
  /** Told of every file that is done. */
  onProgress?: (progress: StaticProgress) => void
  /** Ends the push early. What is stored stays stored. */
  signal?: AbortSignal
}

/** One file is done. */
export interface StaticProgress {
  /** Below the disk. */
  readonly key: string
  readonly action: 'uploaded' | 'unchanged' | 'removed'
  /** How many are done, this one included. */
  readonly done: number
  /** How many there are; it grows once, when the files to be deleted are known. */
  readonly total: number
  /** Uploaded so far. */
  readonly bytes: number
}

/** What a push did. */
export interface StaticPush {
  readonly uploaded: number
  readonly unchanged: number
  readonly removed: number
  /** Files of earlier pushes that are not in the folder, and stay for now. */
  readonly stale: number
  /** Uploaded. */
  readonly bytes: number
}

export const PUSH_OPTIONS: OptionNames<PushStaticOptions> = {
  disk: 'known',
  prefix: 'known',
  dotFiles: 'known',
  stale: 'known',
  staleAfter: 'known',
  cacheControl: 'known',
  concurrency: 'known',
  onProgress: 'known',
  signal: 'known',
}
