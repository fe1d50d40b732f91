import type { DataSource } from 'typeorm'
import { expect, it } from 'vitest'
import { onStorageEvent, type StorageEvents } from '../../src/core/events.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { reapOnce } from '../../src/typeorm/index.js'
import { PoolConnection } from '../../src/typeorm/pool-connection.js'
import { keysIn } from '../isolation/doors.js'
import { describeWithMariadb, freshMariadb } from '../support/mariadb.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { type FreshOptions, house, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'

function describeOnServers(name: string, body: (fresh: FreshOptions) => void): void {
  describeWithPostgres(`${name} on PostgreSQL`, () =>
    body(async () => ({ type: 'postgres', url: (await freshDatabase()).url })),
  )
  describeWithMariadb(`${name} on MariaDB`, () =>
    body(async () => ({ type: 'mariadb', url: (await freshMariadb()).url })),
  )
}

/** Ends every other connection to the database, as an administrator does, or a restart. */
async function killOthers(dataSource: DataSource): Promise<void> {
  if (dataSource.options.type === 'postgres') {
    await dataSource.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    return
  }
  const own: { id: number }[] = await dataSource.query(
    'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()',
  )
  for (const { id } of own) await dataSource.query(`KILL ${id}`)
}

describeOnServers('the reaper and its connections', fresh => {
  const open = async (more = {}) => {
    const driver = new MemoryDriver()
    const storage = memoryStorage({ memory: driver })
    const home = await house(fresh, [Order], { storage, poolErrorHandler: () => {}, ...more })
    return { ...home, driver, orders: home.dataSource.getRepository(Order) }
  }

  it('a connection that is killed while objects are deleted loses nothing, and the next round goes on', async () => {
    const { driver, orders, ...home } = await open({ poolSize: 1 })
    const live = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    for (let count = 0; count < 3; count++)
      await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    const remove = driver.delete.bind(driver)
    driver.delete = async (...args) => {
      await killOthers(home.dataSource)
      await remove(...args)
    }
    await reapOnce(home.storage).catch(() => {})
    driver.delete = remove
    await home.dataSource.query('UPDATE file_ledger SET expires_at = 1 WHERE expires_at IS NOT NULL')
    await reapOnce(home.storage)
    expect(await keysIn(driver.list(''))).toEqual([`media/acme/${live.file?.key}`])
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it.each([1, 2])('a pool of %i connections is enough for saves and reapers at once', async poolSize => {
    const { driver, orders, ...home } = await open({ poolSize, reap: 'after-commit' })
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
        await Promise.all([
          orders.save({ id, file: await upload(home, ORDER_RULES) }),
          reapOnce(home.storage, { batchSize: 1 }),
        ])
      }),
    )
    await reapOnce(home.storage)
    await expect.poll(() => keysIn(driver.list(''))).toHaveLength(10)
    await expect.poll(() => states(home.dataSource)).toEqual({ attached: 10 })
  })

  it('what others have locked is left out, and not waited for', async () => {
    const { orders, ...home } = await open({ poolSize: 2 })
    const kept = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    await home.dataSource.transaction(async manager => {
      await manager.remove(await manager.findOneByOrFail(Order, { id: kept.id }))
      expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    })
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
  })

  it('a deadlock is no failure: its transaction is repeated', async () => {
    const home = await open()
    await upload(home, ORDER_RULES)
    await upload(home, ORDER_RULES)
    const rows: { object_key: unknown }[] = await home.dataSource.query('SELECT object_key FROM file_ledger')
    const [first, second] = rows.map(({ object_key: key }) => String(key))
    const connection = await PoolConnection.open(home.dataSource.options)
    const seen: string[] = []
    let both = 0
    let meet = () => {}
    const met = new Promise<void>(resolve => {
      meet = resolve
    })
    const work = (name: string, keys: (string | undefined)[]) =>
      connection.together(async run => {
        seen.push(name)
        for (const key of keys) {
          await run({
            sql: `UPDATE file_ledger SET attempts = attempts + 1 WHERE object_key = '${key}'`,
            parameters: [],
          })
          both += 1
          if (both === 2) meet()
          await met
        }
      })
    await Promise.all([work('one', [first, second]), work('two', [second, first])])
    expect(seen).toHaveLength(3)
    const counts = await home.dataSource.query('SELECT attempts FROM file_ledger')
    expect(counts.map(({ attempts }: { attempts: unknown }) => Number(attempts))).toEqual([2, 2])
    await connection.close()
  })

  it('a database that refuses the statement is an error and an event', async () => {
    const home = await open()
    const seen: StorageEvents['reaper'][] = []
    const stop = onStorageEvent('reaper', payload => void seen.push(payload))
    await home.dataSource.query('ALTER TABLE file_ledger RENAME COLUMN state TO old_state')
    await expect(reapOnce(home.storage)).rejects.toMatchObject({ code: 'ERR_LEDGER_BUSY' })
    stop()
    expect(seen).toMatchObject([{ error: { code: 'ERR_LEDGER_BUSY' } }])
  })
})

describeWithPostgres('behind a COMMIT on PostgreSQL', () => {
  it('that was none, since an error was swallowed before it, nothing is deleted', async () => {
    const driver = new MemoryDriver()
    const storage = memoryStorage({ memory: driver })
    const fresh: FreshOptions = async () => ({ type: 'postgres', url: (await freshDatabase()).url })
    const home = await house(fresh, [Order], { storage, reap: 'after-commit' })
    const orders = home.dataSource.getRepository(Order)
    const { id, file } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    await home.dataSource.transaction(async manager => {
      await manager.save(Order, { id, file: null })
      await manager.query('SELECT 1/0').catch(() => {})
    })
    await home.dataSource.destroy() // waits for what was begun
    expect(await keysIn(driver.list(''))).toEqual([`media/acme/${file?.key}`])
  })
})
