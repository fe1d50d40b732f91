/**
 * How the ledger's line of a new place came to be: written by this run, so that nothing of ours can have lain there
 * before; or by an earlier one, which may have made its copy before it was killed.
 */
export type LineAge = 'new' | 'older'

/**
 * Whose the object at a new place is, as far as anybody can say: `ours`, made by a move; a `stranger`, made by somebody
 * else; or `last`, of which nobody can say whose it is, and which has, or may get, the only bytes of the file.
 */
export type Owner = 'ours' | 'stranger' | 'last'

/** What a look at a new place found: the row's bytes, others, nothing, or what could not be compared. */
export type Found = 'same' | 'other' | 'nothing' | 'unknown'

/** What the move of one file knows of the object at its new place. */
export class Trace {
  readonly #line: LineAge
  /** Writings of this run that may have made something. */
  #begun = 0
  #found: Found | undefined

  constructor(line: LineAge) {
    this.#line = line
  }

  /** Called before anything is written. */
  begin(): void {
    this.#begun++
  }

  /** What was begun has written nothing, since something lay there already. */
  refused(): void {
    this.#begun--
  }

  /** Other bytes lie there than any copy of this file has. */
  sawStranger(): void {
    this.#begun = 0
    this.#found = 'other'
  }

  /** What a look at it found, where the old place has not the bytes of the row. */
  found(what: Found): void {
    this.#found = what
  }

  /** Whether an earlier run may have written, and nobody has looked yet. */
  get isDoubtful(): boolean {
    return this.#line === 'older' && this.#begun === 0 && this.#found === undefined
  }

  /**
   * A copy of ours that is whole has the bytes that its row tells of. So other bytes are a stranger's; and what cannot
   * be compared is taken for one, since an orphan is better than the loss of somebody's only copy.
   */
  get owner(): Owner {
    const mayBeOurs = this.#line === 'older' || this.#begun > 0
    if (!mayBeOurs) return 'stranger'
    if (this.#found === 'same') return 'last'
    if (this.#begun > 0 || this.#found === undefined) return 'ours'
    return this.#found === 'nothing' ? 'last' : 'stranger'
  }
}
