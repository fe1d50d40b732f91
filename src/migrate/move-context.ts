import type { Storage } from '../core/storage.js'
import type { ReadContext } from './tap.js'
import type { Trace } from './trace.js'

/** How a file is copied. */
export interface MoveContext extends ReadContext {
  readonly storage: Storage
  /** Of the file that is moved: told before anything is written. */
  readonly trace: Trace
}
