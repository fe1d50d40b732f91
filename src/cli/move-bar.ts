import type { ObjectLiteral } from 'typeorm'
import type * as MigrateRoom from '../migrate/index.js'
import type { MigrateOptions, MigrationProgress } from '../migrate/index.js'
import type { ProgressBar, Screen } from './screen.js'
import { sizeText } from './text-of.js'

type Run = Pick<
  MigrateOptions<ObjectLiteral>,
  'dataSource' | 'entity' | 'property' | 'from' | 'to' | 'tenant'
>
type Counts = Pick<MigrationProgress, 'moved' | 'skipped' | 'failed' | 'bytes' | 'seconds'>

const NOTHING: Counts = { moved: 0, skipped: 0, failed: 0, bytes: 0, seconds: 0 }

/** The bar of a command that moves files, over all its runs. */
export class MoveBar {
  readonly #isWatched: boolean
  readonly #bar: ProgressBar
  #total: number | undefined
  #before = NOTHING

  constructor(screen: Screen) {
    this.#isWatched = screen.isWatched
    this.#bar = screen.bar('files')
  }

  /** Finds out how many files there are to move, where somebody wants to know. It reads all rows once. */
  async count(
    filePlaces: typeof MigrateRoom.filePlaces,
    runs: readonly Run[],
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.#isWatched) return
    let total = 0
    for (const { dataSource, entity, property, tenant, from, to } of runs) {
      const { places } = await filePlaces({ dataSource, entity, property, tenant, signal })
      for (const { backend, files } of places)
        if (backend !== to && (from === undefined || backend === from)) total += files
    }
    this.#total = total
    this.show(NOTHING)
  }

  show(progress: Counts): void {
    const { moved, skipped, failed, bytes, seconds } = sum(this.#before, progress)
    const speed = seconds === 0 ? 0 : bytes / seconds
    const done = moved + skipped + failed
    // Files that came meanwhile, or lists of which a row failed: a bar never goes over its end.
    const total = this.#total === undefined ? undefined : Math.max(this.#total, done)
    this.#bar.update(done, total, `${sizeText(bytes)}, ${sizeText(speed)}/s, ${failed} failed`)
  }

  /** One run is over; the next begins at 0. */
  end(progress: Counts): void {
    this.#before = sum(this.#before, progress)
  }

  stop(): void {
    this.#bar.stop()
  }
}

function sum(one: Counts, other: Counts): Counts {
  return {
    moved: one.moved + other.moved,
    skipped: one.skipped + other.skipped,
    failed: one.failed + other.failed,
    bytes: one.bytes + other.bytes,
    seconds: one.seconds + other.seconds,
  }
}
