import type { DataSource, DataSourceOptions, EntityManager, QueryRunner } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { describeWithMariadb, freshMariadb } from '../support/mariadb.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { bySuite } from '../support/suites.js'
import { dataSourceOf, type House, house, ledgerOf, stateOf, states, upload } from './databases.js'
import { Contract } from './entities.js'

const RULES = { folder: 'contracts' }

const ROUNDS = bySuite({ quick: 5, full: 100 })

describeWithPostgres('bad weather on PostgreSQL', () =>
  weather(async () => ({ type: 'postgres', url: (await freshDatabase()).url })),
)
describeWithMariadb('bad weather on MariaDB', () => {
  weather(async () => ({ type: 'mariadb', url: (await freshMariadb()).url }))

  it('DDL inside of a transaction commits rows and claims together, whatever comes after it', async () => {
    const url = (await freshMariadb()).url
    const home = await house(async () => ({ type: 'mariadb', url }), [Contract])
    const { old, file } = await twoFiles(home)
    const work = home.dataSource.transaction(async manager => {
      await manager.save(Contract, { id: 1, draft: file })
      await manager.query('CREATE TABLE elsewhere (id int)')
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect((await contracts(home).findOneByOrFail({ id: 1 })).draft?.equals(file)).toBe(true)
    expect(await bothStates(home, old, file)).toEqual(['delete', 'attached'])
  })
})

function weather(fresh: () => Promise<DataSourceOptions>): void {
  it('a connection that is released without a COMMIT keeps the old file', async () => {
    const options = await fresh()
    const home = await house(async () => options, [Contract])
    const { old, file } = await twoFiles(home)
    const runner = home.dataSource.createQueryRunner()
    await runner.startTransaction()
    await runner.manager.save(Contract, { id: 1, draft: file })
    await runner.release()
    await home.dataSource.destroy()
    const later = await dataSourceOf({ ...options, synchronize: false }).initialize()
    await expect.poll(async () => ledgerStates(later, old, file)).toEqual(['attached', 'pending'])
  })

  it('a COMMIT whose answer is lost is a COMMIT', async () => {
    const home = await house(fresh, [Contract])
    const { old, file } = await twoFiles(home)
    const runner = home.dataSource.createQueryRunner()
    loseAnswersOf(runner, 'COMMIT')
    await runner.startTransaction()
    await runner.manager.save(Contract, { id: 1, draft: file })
    await expect(runner.commitTransaction()).rejects.toThrow('lost')
    await runner.rollbackTransaction().catch(() => {})
    await runner.release()
    expect((await contracts(home).findOneByOrFail({ id: 1 })).draft?.equals(file)).toBe(true)
    expect(await bothStates(home, old, file)).toEqual(['delete', 'attached'])
  })

  it('a wait for a lock that takes too long keeps the old file, also when the error is swallowed', async () => {
    const home = await house(fresh, [Contract], { poolSize: 5 })
    const { old, file } = await twoFiles(home)
    const holder = home.dataSource.createQueryRunner()
    await holder.startTransaction()
    await holder.query('UPDATE contract SET id = id WHERE id = 1')
    const work = home.dataSource.transaction(async manager => {
      await boundWaits(manager, home.dataSource)
      await expect(manager.save(Contract, { id: 1, draft: file })).rejects.toThrow(/timeout|time-?out/i)
    })
    await work
    await holder.rollbackTransaction()
    await holder.release()
    expect((await contracts(home).findOneByOrFail({ id: 1 })).draft?.equals(old)).toBe(true)
    expect(await bothStates(home, old, file)).toEqual(['attached', 'pending'])
  })

  it('a deadlock leaves every row with a file of its own', async () => {
    const home = await house(fresh, [Contract], { poolSize: 5 })
    for (const id of [1, 2]) await contracts(home).insert({ id, draft: await upload(home, RULES) })
    const files = await Promise.all([1, 2, 3, 4].map(() => upload(home, RULES)))
    const both = meeting(2)
    const work = (first: number, second: number, [one, two]: StoredFile[]) =>
      home.dataSource.transaction(async manager => {
        await manager.save(Contract, { id: first, draft: one })
        await both()
        await manager.save(Contract, { id: second, draft: two })
      })
    const outcomes = await Promise.allSettled([work(1, 2, files.slice(0, 2)), work(2, 1, files.slice(2))])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await states(home.dataSource)).toEqual({ attached: 2, pending: 2, delete: 2 })
    await expectTrue(home)
  })

  it.each([1, 2])('a pool of %i does not deadlock', async poolSize => {
    const home = await house(fresh, [Contract], { poolSize })
    const ids = Array.from({ length: 8 }, (_, id) => id)
    await Promise.all(
      ids.map(id =>
        home.dataSource.transaction(async manager => {
          await manager.save(Contract, { id, draft: await upload(home, RULES) })
          await manager.upsert(Contract, { id, draft: await upload(home, RULES) }, ['id'])
          await manager.save(Contract, { id, draft: await upload(home, RULES) })
        }),
      ),
    )
    expect(await states(home.dataSource)).toEqual({ attached: 8, delete: 16 })
    await expectTrue(home)
  })

  it('replacements, removals and upserts of one row at once leave nothing attached without it', async () => {
    const home = await house(fresh, [Contract], { poolSize: 10 })
    for (let round = 0; round < ROUNDS; round++) {
      await contracts(home).upsert({ id: 1, draft: await upload(home, RULES) }, ['id'])
      const loaded = await contracts(home).findOneByOrFail({ id: 1 })
      const files = await Promise.all([1, 2, 3, 4].map(() => upload(home, RULES)))
      await Promise.allSettled([
        contracts(home).save({ id: 1, draft: files[0] }),
        contracts(home).remove(loaded),
        contracts(home).upsert({ id: 1, draft: files[1] }, ['id']),
        contracts(home).save({ id: 1, draft: files[2] }),
        contracts(home).upsert({ id: 1, draft: files[3] }, ['id']),
      ])
      await expectTrue(home)
    }
  })
}

function contracts({ dataSource }: House) {
  return dataSource.getRepository(Contract)
}

/** A row with a file, and another file that waits. */
async function twoFiles(home: House): Promise<{ old: StoredFile; file: StoredFile }> {
  const [old, file] = [await upload(home, RULES), await upload(home, RULES)]
  await contracts(home).insert({ id: 1, draft: old })
  return { old, file }
}

function bothStates({ dataSource }: House, old: StoredFile, file: StoredFile) {
  return ledgerStates(dataSource, old, file)
}

function ledgerStates(dataSource: DataSource, ...files: StoredFile[]) {
  return Promise.all(files.map(file => stateOf(dataSource, file)))
}

/** Every row has a file that is attached, and every attached file has a row. */
async function expectTrue(home: House): Promise<void> {
  const rows = await contracts(home).find()
  const attached = (await ledgerOf(home.dataSource)).filter(({ state }) => state === 'attached')
  const held = rows.flatMap(({ draft }) => (draft ? [`media/acme/${draft.key}`] : []))
  expect(attached.map(({ object_key }) => object_key).sort()).toEqual(held.sort())
}

/** The statement reaches the server; its answer does not reach us. */
function loseAnswersOf(runner: QueryRunner, statement: string): void {
  const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>
  Object.assign(runner, {
    query: async (sql: string, ...rest: unknown[]) => {
      const answer = await query(sql, ...rest)
      if (sql.startsWith(statement)) throw new Error('the answer was lost')
      return answer
    },
  })
}

async function boundWaits(manager: EntityManager, { options }: DataSource): Promise<void> {
  const isPostgres = options.type === 'postgres'
  await manager.query(
    isPostgres ? "SET LOCAL statement_timeout = '200ms'" : 'SET SESSION innodb_lock_wait_timeout = 1',
  )
}

/** Resolves when all have come. */
function meeting(expected: number): () => Promise<void> {
  let arrived = 0
  let open: () => void = () => {}
  const all = new Promise<void>(resolve => {
    open = resolve
  })
  return () => {
    if (++arrived === expected) open()
    return all
  }
}
