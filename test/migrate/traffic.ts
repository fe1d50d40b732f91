import { setTimeout as sleep } from 'node:timers/promises'
import { inLanes } from '../../src/core/in-lanes.js'
import { type Delivery, nameOf } from './delivery.js'
import type { MovingTown } from './moving-town.js'
import { type Row, Visitor } from './visitor.js'

/** Addresses of old that are opened at the same time. */
const AT_ONCE = 4

/**
 * What goes on in the application while its files move, until it is told to stop. Each row is changed by one of its lanes
 * at most, and at most once.
 */
export class Traffic {
  readonly visitor: Visitor
  /** How often the files of all rows were read. */
  rounds = 0
  readonly uploaded = new Set<number>()
  readonly replaced = new Set<number>()
  readonly removed = new Set<number>()
  /** Loaded before it began. */
  readonly saved = new Set<number>()
  /** The same, and saved when their rows pointed to the new place already. */
  readonly savedBehind = new Set<number>()

  readonly #town: MovingTown
  /** Between two changes of one kind, in milliseconds. */
  readonly #pause: number
  #isOver = false
  #work: Promise<unknown> = Promise.resolve()

  private constructor(town: MovingTown, pause: number) {
    this.#town = town
    this.#pause = pause
    this.visitor = new Visitor(town)
  }

  /** Rows are loaded and addresses given out before it begins. */
  static async on(town: MovingTown, options: { pause: number }): Promise<Traffic> {
    const traffic = new Traffic(town, options.pause)
    await traffic.#begin()
    return traffic
  }

  /** Whether anything but reading has touched this row. */
  touched(id: number): boolean {
    return [this.uploaded, this.replaced, this.removed, this.saved, this.savedBehind].some(ids => ids.has(id))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#work
  }

  async #begin(): Promise<void> {
    const { deliveries, tenants } = this.#town
    const addresses: Row[] = []
    for (const tenant of tenants) addresses.push(...(await this.visitor.list(tenant)))
    for (const { id, file } of addresses) this.visitor.names.set(id, file.name)
    const loaded = scattered(await deliveries.find())
    const share = (worker: number) => loaded.filter(({ id }) => id % 10 === worker)
    this.#work = Promise.all([
      this.#readAgainAndAgain(),
      // the other way round, so that many of them were replaced and removed by then
      this.#openAll(scattered(addresses).reverse()),
      this.#each(share(1), delivery => this.#save(delivery, this.saved)),
      this.#saveBehind(share(4)),
      this.#each(share(2), async ({ id, tenant }) => {
        this.replaced.add(id)
        await this.visitor.replace({ id, tenant }, nameOf(tenant, `${id} again`))
      }),
      this.#each(share(3), async ({ id, tenant }) => {
        this.removed.add(id)
        await this.visitor.remove({ id, tenant })
      }),
      this.#each([...loaded.keys()], async number => {
        const tenant = tenants[number % tenants.length] ?? ''
        this.uploaded.add((await this.visitor.upload(tenant, nameOf(tenant, `${number} new`))) ?? 0)
      }),
    ])
  }

  async #readAgainAndAgain(): Promise<void> {
    while (!this.#isOver) {
      await this.visitor.readAll(() => this.#isOver)
      this.rounds++
    }
  }

  async #openAll(addresses: readonly Row[]): Promise<void> {
    await inLanes(addresses, AT_ONCE, async row => {
      if (!this.#isOver) await this.visitor.open(row)
    })
  }

  /** An entity that was loaded long ago, as a job that takes its time would. */
  async #save(delivery: Delivery, into: Set<number>): Promise<void> {
    into.add(delivery.id)
    await this.#town.deliveries.save(Object.assign(delivery, { note: 'saved' }))
  }

  async #saveBehind(deliveries: readonly Delivery[]): Promise<void> {
    const left = new Map(deliveries.map(delivery => [delivery.id, delivery]))
    while (!this.#isOver && left.size > 0) {
      const switched: { id: number }[] = await this.#town.dataSource.query(
        `SELECT id FROM delivery WHERE id = ANY($1) AND file::json->>'backend' = 's3' LIMIT 20`,
        [[...left.keys()]],
      )
      await this.#each(switched, async ({ id }) => {
        await this.#save(left.get(id) as Delivery, this.savedBehind)
        left.delete(id)
      })
      await sleep(this.#pause)
    }
  }

  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    for (const item of items) {
      if (this.#isOver) return
      await work(item)
      await sleep(this.#pause)
    }
  }
}

/** In an order that has nothing to do with that of the keys, and is the same each time. */
function scattered<T extends { id: number }>(rows: readonly T[]): T[] {
  const place = ({ id }: T) => (id * 2_654_435_761) % 2 ** 32
  return [...rows].sort((a, b) => place(a) - place(b))
}
