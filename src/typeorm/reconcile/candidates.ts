import { toBytes } from './byte-order.js'
import type { Line } from './ledger-reads.js'
import { LineSorter } from './line-sorter.js'
import type { Known } from './merge.js'

/** A key that looked wrong, to be looked at once more. */
export interface Candidate {
  readonly backend: string
  readonly objectKey: string
  /** The line as it was then; see {@link versionOf}. */
  readonly version: string
  /** What the bytes hash to, where they were read and a row expected others. */
  readonly sha256?: string
}

/** As many are remembered by their keys, so that the second walk through the rows keeps few. */
const FEW = 10_000

/** A line's state and when it came to it: two that are the same mean that nothing happened in between. */
export function versionOf(line: Line | undefined): string {
  return line === undefined ? 'none' : `${line.state} ${line.updatedAt}`
}

/** Keys that looked wrong, however many they are. */
export class Candidates {
  readonly #sorter = new LineSorter()
  readonly #few = new Set<string>()

  get count(): number {
    return this.#sorter.count
  }

  async add({ backend, objectKey, line }: Known, sha256?: string): Promise<void> {
    const candidate: Candidate = { backend, objectKey, version: versionOf(line), sha256 }
    if (this.count <= FEW) this.#few.add(`${backend}\t${objectKey}`)
    await this.#sorter.add([backend, toBytes(objectKey), toBytes(JSON.stringify(candidate))].join('\t'))
  }

  /** Whether a key may be among them; certainly not, where it says no. */
  mayHave(backend: string, objectKey: string): boolean {
    return this.count > FEW || this.#few.has(`${backend}\t${objectKey}`)
  }

  /** All of them in the order of backend and key, some at a time, each key once. */
  async *inOrder(size: number): AsyncGenerator<Candidate[]> {
    let some: Candidate[] = []
    for await (const line of this.#sorter.sorted()) {
      const next: Candidate = JSON.parse(Buffer.from(line.split('\t')[2] ?? '', 'latin1').toString())
      const last = some.at(-1)
      if (last?.backend === next.backend && last.objectKey === next.objectKey) {
        some[some.length - 1] = { ...last, sha256: last.sha256 ?? next.sha256 }
        continue
      }
      if (some.length === size) {
        yield some
        some = []
      }
      some.push(next)
    }
    if (some.length > 0) yield some
  }

  close(): Promise<void> {
    return this.#sorter.close()
  }
}
