import type { DataSourceOptions, QueryRunner } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { embeddedOptions } from '../support/sqlite.js'
import { type FreshOptions, type House, house, stateOf, upload } from './databases.js'
import { Contract } from './entities.js'

const RULES = { folder: 'contracts' }

const NAME = 'a row that is gone when its hook looks, and written anew by others before the statement,'

// Not on MariaDB: there the look itself keeps others from writing the row.
describe(`${NAME} on SQLite`, () => anywhere(async () => embeddedOptions()))
describeWithPostgres(`${NAME} on PostgreSQL`, () => {
  const fresh = async (): Promise<DataSourceOptions> => ({
    type: 'postgres',
    url: (await freshDatabase()).url,
  })
  anywhere(fresh)
  betweenConnections(fresh)
})

function betweenConnections(fresh: FreshOptions): void {
  const newHouse = () => house(fresh, [Contract])

  it('is not removed without its new file', async () => {
    const home = await newHouse()
    const loaded = await contractWith(home)
    await removeFirst(home)
    const file = await upload(home, RULES)
    const removing = onRunner(home, async runner => {
      beforeStatement(runner, /^DELETE /, () => contracts(home).insert({ id: 1, draft: file }))
      await runner.manager.remove(loaded)
    })
    await expect(removing).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
    expect((await contracts(home).findOneByOrFail({ id: 1 })).draft?.equals(file)).toBe(true)
    expect(await stateOf(home.dataSource, file)).toBe('attached')
  })

  it('is removed with others that are there, or not at all', async () => {
    const home = await newHouse()
    const [loaded, other] = [await contractWith(home), await contractWith(home, 2)]
    await removeFirst(home)
    const file = await upload(home, RULES)
    const removing = onRunner(home, async runner => {
      beforeStatement(runner, /^DELETE /, () => contracts(home).insert({ id: 1, draft: file }))
      await runner.manager.remove([loaded, other])
    })
    await expect(removing).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
    expect(await contracts(home).countBy({})).toBe(2)
  })

  it.each(['another file', 'no file'])('is not overwritten with %s', async what => {
    const home = await newHouse()
    await contractWith(home)
    const [theirs, mine] = [await upload(home, RULES), await upload(home, RULES)]
    const draft = what === 'no file' ? null : mine
    const saving = onRunner(home, async runner => {
      beforeStatement(runner, /^(START|BEGIN) /, () => removeFirst(home))
      beforeStatement(runner, /^UPDATE "contract"/, () => contracts(home).insert({ id: 1, draft: theirs }))
      await runner.manager.save(Contract, { id: 1, draft })
    })
    await expect(saving).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
    expect((await contracts(home).findOneByOrFail({ id: 1 })).draft?.equals(theirs)).toBe(true)
    expect(await stateOf(home.dataSource, theirs)).toBe('attached')
    expect(await stateOf(home.dataSource, mine)).toBe('pending')
  })
}

/** Also where all share one connection, so that a stranger's row has the fate of the transaction under way. */
function anywhere(fresh: FreshOptions): void {
  const newHouse = () => house(fresh, [Contract])

  it('keeps its file in a transaction that swallows the error and goes on', async () => {
    const home = await newHouse()
    const loaded = await contractWith(home)
    await removeFirst(home)
    const file = await upload(home, RULES)
    await onRunner(home, async runner => {
      await runner.startTransaction()
      beforeStatement(runner, /^DELETE /, () => contracts(home).insert({ id: 1, draft: file }))
      await expect(runner.manager.remove(loaded)).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
      await runner.manager.insert(Contract, { id: 2 })
      await runner.commitTransaction()
    })
    expect(await contracts(home).countBy({})).toBe(2)
    expect(await stateOf(home.dataSource, file)).toBe('attached')
  })

  it('is removed by whoever comes where nobody writes it anew', async () => {
    const home = await newHouse()
    const [loaded, other] = [await contractWith(home), await contractWith(home, 2)]
    await removeFirst(home)
    await contracts(home).remove([loaded, other])
    expect(await contracts(home).countBy({})).toBe(0)
  })
}

function contracts({ dataSource }: House) {
  return dataSource.getRepository(Contract)
}

async function contractWith(home: House, id = 1): Promise<Contract> {
  await contracts(home).insert({ id, draft: await upload(home, RULES) })
  return contracts(home).findOneByOrFail({ id })
}

async function removeFirst(home: House): Promise<void> {
  await contracts(home).remove(await contracts(home).findOneByOrFail({ id: 1 }))
}

async function onRunner(home: House, work: (runner: QueryRunner) => Promise<void>): Promise<void> {
  const runner = home.dataSource.createQueryRunner()
  try {
    await work(runner)
  } finally {
    await runner.release()
  }
}

/** Does something once, when the first such statement is about to be sent. */
function beforeStatement(runner: QueryRunner, statement: RegExp, work: () => Promise<unknown>): void {
  const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>
  let isDone = false
  Object.assign(runner, {
    query: async (sql: string, ...rest: unknown[]) => {
      const isFirst = !isDone && statement.test(sql)
      isDone ||= isFirst
      if (isFirst) await work()
      return query(sql, ...rest)
    },
  })
}
