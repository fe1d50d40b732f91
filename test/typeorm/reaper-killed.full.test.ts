import type { DataSource } from 'typeorm'
import { expect, it } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { dialectOf } from '../../src/typeorm/dialect.js'
import { reapOnce } from '../../src/typeorm/index.js'
import type { LedgerConnection } from '../../src/typeorm/ledger-connection.js'
import type { Statement } from '../../src/typeorm/ledger-sql.js'
import { LedgerSql } from '../../src/typeorm/ledger-sql.js'
import { LEDGER_ENTITY } from '../../src/typeorm/ledger-table.js'
import { PoolConnection } from '../../src/typeorm/pool-connection.js'
import { LedgerReaper, PASS_DEFAULTS } from '../../src/typeorm/reaper/ledger-reaper.js'
import { ReapStatements } from '../../src/typeorm/reaper/reap-statements.js'
import { SharedConnection, TransactionScopes } from '../../src/typeorm/shared-connection.js'
import { keysIn } from '../isolation/doors.js'
import { house, ledgerOf, memoryStorage, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

/** As if so much time had passed: everything that has a time is over. */
async function passTime(dataSource: DataSource): Promise<void> {
  await dataSource.query('UPDATE file_ledger SET expires_at = 1 WHERE expires_at IS NOT NULL')
}

/** A connection that breaks with its n-th statement, before it is sent or after the database has done it. */
class BreakingConnection implements LedgerConnection {
  readonly #connection: LedgerConnection
  readonly #moment: 'before' | 'after'
  #left: number

  constructor(connection: LedgerConnection, left: number, moment: 'before' | 'after') {
    this.#connection = connection
    this.#left = left
    this.#moment = moment
  }

  run(statement: Statement): Promise<number> {
    return this.#around(() => this.#connection.run(statement))
  }

  read: LedgerConnection['read'] = statement => this.#connection.read(statement)
  together: LedgerConnection['together'] = work => this.#around(() => this.#connection.together(work))
  alone: LedgerConnection['alone'] = (lock, work) => this.#around(() => this.#connection.alone(lock, work))
  assertCanStage(): void {}
  close = () => this.#connection.close()

  get isBroken(): boolean {
    return this.#left <= 0
  }

  async #around<T>(work: () => Promise<T>): Promise<T> {
    this.#left -= 1
    if (this.#left <= 0 && (this.#moment === 'before' || this.#left < 0)) throw new Error('killed')
    const result = await work()
    if (this.#left === 0) throw new Error('killed')
    return result
  }
}

async function connect(dataSource: DataSource): Promise<LedgerConnection> {
  return dialectOf(dataSource).ownPool
    ? PoolConnection.open(dataSource.options)
    : new SharedConnection(dataSource, new TransactionScopes())
}

describeOnDatabases('a reaper that is killed', fresh => {
  it.each(['before', 'after'] as const)(
    '%s any of its steps leaves live rows their bytes, and nothing else for good',
    async moment => {
      const driver = new MemoryDriver()
      const home = await house(fresh, [Order], { storage: memoryStorage({ memory: driver }) })
      const { storage, dataSource } = home
      const orders = dataSource.getRepository(Order)
      const statements = new ReapStatements(
        new LedgerSql(dialectOf(dataSource), dataSource.getMetadata(LEDGER_ENTITY)),
      )
      const never = new AbortController().signal
      const live = await orders.save({ title: 'live', file: await upload(home, ORDER_RULES) })
      let isBroken = true
      for (let step = 1; isBroken; step++) {
        expect(step).toBeLessThan(30)
        await upload(home, ORDER_RULES) // nobody will save it
        await passTime(dataSource)
        await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
        const connection = new BreakingConnection(await connect(dataSource), step, moment)
        const pass = { taken: 0, deleted: 0, failed: 0 }
        const reaper = new LedgerReaper(storage, connection, statements)
        await reaper.pass(PASS_DEFAULTS, { soon: never, now: never }, pass).catch(() => {})
        isBroken = connection.isBroken
        await connection.close()
        // Its lines are due again when its time is over, and another one ends what it began. Twice, for the tombstones.
        for (let again = 0; again < 2; again++) {
          await passTime(dataSource)
          await reapOnce(storage)
        }
        expect(await keysIn(driver.list(''))).toEqual([`media/acme/${live.file?.key}`])
        await passTime(dataSource)
        await reapOnce(storage)
        expect(await ledgerOf(dataSource)).toMatchObject([{ state: 'attached' }])
      }
    },
  )
})
