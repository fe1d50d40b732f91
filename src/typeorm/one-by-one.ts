/**
 * Lets work of one name wait for the work of that name before it. Within this process, so that a crowd which waits
 * for one lock of the database does not take all connections meanwhile.
 */
export class OneByOne {
  readonly #last = new Map<string, Promise<unknown>>()

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#last.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name)
    }
  }
}
