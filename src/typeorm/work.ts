import type { StoredFile } from '../core/stored-file.js'

/** A new file that a row is about to hold. */
export interface Claim {
  readonly file: StoredFile
  /** What the column will hold. */
  readonly text: string
}

/** What one entity's hook asks for. */
export interface Work {
  readonly claim: readonly Claim[]
  readonly remove: readonly StoredFile[]
}

export const NO_WORK: Work = { claim: [], remove: [] }
