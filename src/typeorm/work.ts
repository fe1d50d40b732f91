import type { StoredFile } from '../core/stored-file.js'

/** What becomes of a file that its row does not hold any more: deleted, kept for days, or kept for ever. */
export type Fate = 'delete' | 'keep' | { readonly days: number }

/** A file that its row does not hold any more. */
export interface Release {
  readonly file: StoredFile
  readonly fate: Fate
}

/** What one entity's hook asks for. */
export type Work = readonly Release[]
