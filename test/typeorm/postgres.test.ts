import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSourceOptions, EntitySubscriberInterface, QueryRunner } from 'typeorm'
import { expect, it } from 'vitest'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { house, ledgerOf, stateOf, states, upload } from './databases.js'
import { Contract, ORDER_RULES, Order } from './entities.js'

const CONTRACT_RULES = { folder: 'contracts' }

async function fresh(): Promise<DataSourceOptions> {
  return { type: 'postgres', url: (await freshDatabase()).url }
}

describeWithPostgres('on PostgreSQL', () => {
  it('concurrent replacements of one row queue each old file once, and leave the last one', async () => {
    const home = await house(fresh, [Order], { poolSize: 10 })
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    const files = await Promise.all(Array.from({ length: 8 }, () => upload(home, ORDER_RULES)))
    await Promise.all(files.map(file => orders.save({ id, file })))
    const { file } = await orders.findOneByOrFail({ id })
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 8 })
    expect(await stateOf(home.dataSource, file!)).toBe('attached')
  })

  it('a replacement and a removal at once leave nothing attached without a row', async () => {
    const home = await house(fresh, [Order], { poolSize: 10 })
    const orders = home.dataSource.getRepository(Order)
    for (let round = 0; round < 10; round++) {
      const saved = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
      const file = await upload(home, ORDER_RULES)
      await Promise.allSettled([
        orders.save({ id: saved.id, file }),
        orders.remove(await orders.findOneByOrFail({ id: saved.id })),
      ])
    }
    const rows = await orders.find()
    const attached = (await ledgerOf(home.dataSource)).filter(({ state }) => state === 'attached')
    expect(attached).toHaveLength(rows.length)
    for (const { file } of rows) expect(await stateOf(home.dataSource, file!)).toBe('attached')
  })

  it('one staged file saved by many at once gets one row', async () => {
    const home = await house(fresh, [Order], { poolSize: 10 })
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    const results = await Promise.allSettled([
      ...Array.from({ length: 4 }, () => orders.save({ file })),
      ...Array.from({ length: 4 }, () => orders.insert({ file })),
    ])
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await orders.count()).toBe(1)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it.each([1, 3])(
    'an INSERT of %i that ignores a row which is gone a moment later leaves nothing without one',
    async count => {
      const home = await house(fresh, [Contract], { poolSize: 10 })
      const runner = home.dataSource.createQueryRunner()
      const values = await Promise.all(
        Array.from({ length: count }, async (_, index) => ({
          id: index + 1,
          draft: await upload(home, CONTRACT_RULES),
        })),
      )
      amongRowLocks(runner, {
        afterFirst: () => home.dataSource.query('INSERT INTO contract (id) VALUES (1)'),
        beforeSecond: () => home.dataSource.query('DELETE FROM contract WHERE id = 1'),
      })
      await home.dataSource
        .createQueryBuilder(runner)
        .insert()
        .into(Contract)
        .values(values)
        .orIgnore()
        .execute()
      await runner.release()
      const rows = await home.dataSource.getRepository(Contract).find()
      const attached = (await ledgerOf(home.dataSource)).filter(({ state }) => state === 'attached')
      expect(attached.map(({ object_key }) => object_key).sort()).toEqual(
        rows.map(({ draft }) => `media/acme/${draft?.key}`).sort(),
      )
    },
  )

  it('an insert() whose connection dies between claim and row leaves its file to the reaper', async () => {
    const home = await house(fresh, [Order])
    await home.dataSource.query(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NEW; END $$`)
    await home.dataSource.query(
      'CREATE TRIGGER die BEFORE INSERT ON "order" FOR EACH ROW EXECUTE FUNCTION die()',
    )
    const file = await upload(home, ORDER_RULES)
    await expect(home.dataSource.getRepository(Order).insert({ file })).rejects.toThrow(/terminat/)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('an insert() inside of a transaction that was begun by SQL goes with it', async () => {
    const home = await house(fresh, [Order])
    const runner = home.dataSource.createQueryRunner()
    await runner.query('BEGIN')
    await runner.manager.insert(Order, { file: await upload(home, ORDER_RULES) })
    await runner.query('ROLLBACK')
    await runner.manager.insert(Order, { file: await upload(home, ORDER_RULES) })
    await runner.release()
    expect(await home.dataSource.getRepository(Order).count()).toBe(1)
    expect(await states(home.dataSource)).toEqual({ pending: 1, attached: 1 })
  })

  it('a pool of one connection does not deadlock, also not when storing inside of a transaction', async () => {
    const home = await house(fresh, [Order], { poolSize: 1 })
    const orders = home.dataSource.getRepository(Order)
    const saved = await Promise.all(
      Array.from({ length: 10 }, async () =>
        orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }),
      ),
    )
    await home.dataSource.transaction(async manager => {
      await manager.save(Order, { id: saved[0]!.id, file: await upload(home, ORDER_RULES) })
    })
    expect(await states(home.dataSource)).toEqual({ attached: 10, delete: 1 })
  })

  it('an error that is swallowed before a COMMIT loses nothing', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const [old, file] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    const { id } = await orders.save({ title: 'x', file: old })
    // The server answers ROLLBACK to this COMMIT, and TypeORM takes it for a success.
    await home.dataSource.transaction(async manager => {
      await manager.save(Order, { id, file })
      await manager.query('SELECT 1/0').catch(() => {})
    })
    expect((await orders.findOneByOrFail({ id })).file?.equals(old)).toBe(true)
    expect(await stateOf(home.dataSource, old)).toBe('attached')
    expect(await stateOf(home.dataSource, file)).toBe('pending')
  })

  it('a connection that is killed inside of a transaction loses nothing', async () => {
    const home = await house(fresh, [Order], { poolErrorHandler: () => {} })
    const orders = home.dataSource.getRepository(Order)
    const [old, file] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    const { id } = await orders.save({ title: 'x', file: old })
    const work = home.dataSource.transaction(async manager => {
      await manager.save(Order, { id, file })
      const [{ pid }] = await manager.query('SELECT pg_backend_pid() AS pid')
      await home.dataSource.query(`SELECT pg_terminate_backend(${pid})`)
    })
    await expect(work).rejects.toThrow()
    expect(await stateOf(home.dataSource, old)).toBe('attached')
    expect(await stateOf(home.dataSource, file)).toBe('pending')
  })

  it.each([0, 30])('a claim whose statement was never sent is given back (veto after %i ms)', async delay => {
    const home = await house(fresh, [Order])
    const veto: EntitySubscriberInterface = {
      listenTo: () => Order,
      beforeInsert: async () => {
        await sleep(delay)
        throw new Error('veto')
      },
    }
    home.dataSource.subscribers.push(veto)
    const file = await upload(home, ORDER_RULES)
    await expect(home.dataSource.getRepository(Order).insert({ file })).rejects.toThrow('veto')
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
    home.dataSource.subscribers.pop()
    await home.dataSource.getRepository(Order).insert({ file })
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('the ledger can lie in a schema of its own', async () => {
    const url = (await freshDatabase()).url
    const schema = `s_${randomUUID().slice(0, 8)}`
    const first = await house(async () => ({ type: 'postgres', url }), [])
    await first.dataSource.query(`CREATE SCHEMA ${schema}`)
    const home = await house(async () => ({ type: 'postgres', url }), [Order], {
      table: { name: 'files', schema },
    })
    await home.dataSource.getRepository(Order).save({ title: 'x', file: await upload(home, ORDER_RULES) })
    expect(await ledgerOf(home.dataSource, `${schema}.files`)).toMatchObject([{ state: 'attached' }])
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })

  it('destroy closes every connection, the ledger’s too', async () => {
    const { url, database } = await freshDatabase()
    const watcher = await house(fresh, [])
    const home = await house(async () => ({ type: 'postgres', url }), [Order])
    await upload(home, ORDER_RULES)
    const open = async () => {
      const sql = 'SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = $1'
      const [{ open }] = await watcher.dataSource.query(sql, [database])
      return open
    }
    expect(await open()).toBeGreaterThan(1)
    await home.dataSource.destroy()
    await expect.poll(open).toBe(0)
  })
})

/** Lets others do something between a statement and the two looks at its rows around it. */
function amongRowLocks(
  runner: QueryRunner,
  others: Record<'afterFirst' | 'beforeSecond', () => Promise<unknown>>,
): void {
  const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>
  let seen = 0
  Object.assign(runner, {
    query: async (sql: string, ...rest: unknown[]) => {
      const look = sql.endsWith('FOR UPDATE') ? ++seen : 0
      if (look === 2) await others.beforeSecond()
      const answer = await query(sql, ...rest)
      if (look === 1) await others.afterFirst()
      return answer
    },
  })
}
