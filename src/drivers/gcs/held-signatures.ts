/** About a kilobyte each. */
const MAX_HELD = 5_000

/**
 * Signatures that took a request, also those under way: whoever asks for the same text again does not ask IAM again. The
 * URLs of a window of time have one text for each file. What was not asked for the longest goes first, so those of past
 * windows do.
 */
export class HeldSignatures {
  readonly #held = new Map<string, Promise<string>>()

  /** The signature of `text`; `ask` is called where there is none. A failure is not kept. */
  get(text: string, ask: () => Promise<string>): Promise<string> {
    const signature = this.#held.get(text) ?? this.#begin(text, ask())
    this.#held.delete(text)
    this.#held.set(text, signature)
    const [oldest] = this.#held.keys()
    if (this.#held.size > MAX_HELD && oldest !== undefined) this.#held.delete(oldest)
    return signature
  }

  #begin(text: string, signature: Promise<string>): Promise<string> {
    signature.catch(() => {
      if (this.#held.get(text) === signature) this.#held.delete(text)
    })
    return signature
  }
}
