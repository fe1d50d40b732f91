import { type EntityManager, IsNull } from 'typeorm'
import { expect, it } from 'vitest'
import { house, stateOf, states, upload } from './databases.js'
import { Contract } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

const RULES = { folder: 'contracts' }
const STALE = { code: 'ERR_FILE_STALE' }

// TypeORM can be told to call no hooks. The row would be written all the same, and its file would be nobody's.
describeOnSqliteFirst('a write without hooks', fresh => {
  it('claims its file: save(…, { listeners: false })', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    await contracts.save({ id: 1, draft: await upload(home, RULES) }, { listeners: false })
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
    const file = await upload(home, RULES)
    await contracts.save({ id: 1, draft: file }, { listeners: false })
    expect(await stateOf(home.dataSource, file)).toBe('attached')
  })

  it.each(['insert', 'update'] as const)('claims its file: %s by query builder', async kind => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    await contracts.insert({ id: 1 })
    const draft = await upload(home, RULES)
    const query = contracts.createQueryBuilder()
    const build =
      kind === 'insert'
        ? query.insert().values({ id: 2, draft })
        : query.update().set({ draft }).whereInIds([1])
    await build.callListeners(false).execute()
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('is refused where the file belongs to another row', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const draft = await upload(home, RULES)
    await contracts.save({ id: 1, draft })
    const loaded = await contracts.findOneByOrFail({ id: 1 })
    for (const file of [draft, loaded.draft]) {
      const silent = { listeners: false }
      await expect(contracts.save({ id: 2, draft: file }, silent)).rejects.toMatchObject(STALE)
      const insert = contracts.createQueryBuilder().insert().values({ id: 3, signed: file })
      await expect(insert.callListeners(false).execute()).rejects.toMatchObject(STALE)
    }
    expect(await contracts.count()).toBe(1)
  })

  it('is refused where the file is forged', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const forged = { ...(await upload(home, RULES)) } as never
    const insert = contracts.createQueryBuilder().insert().values({ id: 1, draft: forged })
    await expect(insert.callListeners(false).execute()).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    expect(await contracts.count()).toBe(0)
  })

  it.each(['in', 'outside of'])('gives no file to several rows, %s a transaction', async place => {
    const home = await house(fresh, [Contract])
    await home.dataSource.getRepository(Contract).insert([{ id: 1 }, { id: 2 }])
    const draft = await upload(home, RULES)
    const update = (manager: EntityManager) => {
      const query = manager.createQueryBuilder().update(Contract).set({ draft }).where('id < 3')
      return expect(query.callListeners(false).execute()).rejects.toMatchObject({ code: 'ERR_BULK_WRITE' })
    }
    await (place === 'in' ? home.dataSource.transaction(update) : update(home.dataSource.manager))
    expect(await home.dataSource.getRepository(Contract).countBy({ draft: IsNull() })).toBe(2)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('that fails leaves the file waiting', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    await contracts.insert({ id: 1 })
    const draft = await upload(home, RULES)
    const insert = contracts.createQueryBuilder().insert().values({ id: 1, draft })
    await expect(insert.callListeners(false).execute()).rejects.toThrow(/unique|duplicate/i)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('that is rolled back leaves the file waiting', async () => {
    const home = await house(fresh, [Contract])
    const draft = await upload(home, RULES)
    const work = home.dataSource.transaction(async manager => {
      await manager.save(Contract, { id: 1, draft }, { listeners: false })
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('may ask for rows by a file that waits', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const file = await upload(home, RULES)
    expect(await contracts.findBy({ draft: file as never })).toEqual([])
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })
})

describeOnSqliteFirst('a query builder', fresh => {
  it('shows the text of a file in its parameters', async () => {
    const home = await house(fresh, [Contract])
    const draft = await upload(home, RULES)
    const insert = home.dataSource.createQueryBuilder().insert().into(Contract).values({ id: 1, draft })
    const [sql, parameters] = insert.getQueryAndParameters()
    expect(JSON.stringify(parameters)).toContain('contracts')
    expect(String(parameters.at(-1))).toMatch(/^\{"v":1,"disk":"media"/)
    await home.dataSource.query(sql, parameters)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })
})
