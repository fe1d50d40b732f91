import type { EntitySubscriberInterface } from 'typeorm'
import { expect, it } from 'vitest'
import { house, stateOf, states, upload } from './databases.js'
import { Contract } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

const RULES = { folder: 'contracts' }

describeOnSqliteFirst('without a transaction', fresh => {
  it('insert() claims before its statement', async () => {
    const home = await house(fresh, [Contract])
    const file = await upload(home, RULES)
    home.log.writes()
    await home.dataSource.getRepository(Contract).insert({ id: 1, draft: file })
    expect(home.log.writes().map(query => query.slice(0, 6))).toEqual(['UPDATE', 'INSERT'])
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('a failed insert() leaves its file to be saved', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    await contracts.insert({ id: 1 })
    const file = await upload(home, RULES)
    await expect(contracts.insert({ id: 1, draft: file })).rejects.toThrow(/unique|duplicate/i)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
    await contracts.insert({ id: 2, draft: file })
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('a failed insert() of several rows leaves all its files to be saved', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    await contracts.insert({ id: 1 })
    const rows = [
      { id: 2, draft: await upload(home, RULES), signed: await upload(home, RULES) },
      { id: 1, draft: await upload(home, RULES) },
    ]
    await expect(contracts.insert(rows)).rejects.toThrow(/unique|duplicate/i)
    expect(await states(home.dataSource)).toEqual({ pending: 3 })
  })

  it('upsert() claims', async () => {
    const home = await house(fresh, [Contract])
    const file = await upload(home, RULES)
    await home.dataSource.getRepository(Contract).upsert({ id: 1, draft: file }, ['id'])
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('save() claims before, and hands the old file over after its statement', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const [old, file] = [await upload(home, RULES), await upload(home, RULES)]
    await contracts.save({ id: 1, draft: old }, { transaction: false })
    home.log.writes()
    await contracts.save({ id: 1, draft: file }, { transaction: false })
    const kinds = home.log.writes().map(query => query.split(/\W+/).slice(0, 3).join(' '))
    expect(kinds).toEqual(['UPDATE file_ledger SET', 'UPDATE contract SET', 'INSERT INTO file_ledger'])
    expect(await stateOf(home.dataSource, old)).toBe('delete')
    expect(await stateOf(home.dataSource, file)).toBe('attached')
  })

  it('a failed save() leaves its file to be saved and keeps the old one', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const [old, file] = [await upload(home, RULES), await upload(home, RULES)]
    await contracts.save({ id: 1, draft: old })
    await home.dataSource.query(breakUpdates(home.dataSource.options.type))
    await expect(contracts.save({ id: 1, draft: file }, { transaction: false })).rejects.toThrow(/frozen/)
    expect(await stateOf(home.dataSource, old)).toBe('attached')
    expect(await stateOf(home.dataSource, file)).toBe('pending')
  })

  it('a stale file among several leaves the others waiting', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const [used, free] = [await upload(home, RULES), await upload(home, RULES)]
    await contracts.insert({ id: 1, draft: used })
    await expect(contracts.insert({ id: 2, draft: free, signed: used })).rejects.toMatchObject({
      code: 'ERR_FILE_STALE',
    })
    expect(await stateOf(home.dataSource, free)).toBe('pending')
    expect(await contracts.count()).toBe(1)
  })
})

describeOnSqliteFirst("another subscriber's", fresh => {
  it('failure leaves no claim behind in a transaction', async () => {
    const home = await house(fresh, [Contract])
    const veto: EntitySubscriberInterface = {
      listenTo: () => Contract,
      beforeInsert: () => new Promise((_, reject) => setTimeout(() => reject(new Error('veto')), 30)),
    }
    home.dataSource.subscribers.push(veto)
    const file = await upload(home, RULES)
    await expect(home.dataSource.getRepository(Contract).save({ id: 1, draft: file })).rejects.toThrow('veto')
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('file is claimed although it came after our look', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const [first, second] = [await upload(home, RULES), await upload(home, RULES)]
    const files = [first, second]
    const assign: EntitySubscriberInterface<Contract> = {
      listenTo: () => Contract,
      beforeInsert: async ({ entity }) => {
        await new Promise(resolve => setTimeout(resolve, 30))
        entity.draft = files.shift() ?? null
      },
      beforeUpdate: async ({ entity }) => {
        await new Promise(resolve => setTimeout(resolve, 30))
        Object.assign(entity ?? {}, { draft: files.shift() ?? null })
      },
    }
    home.dataSource.subscribers.push(assign)
    await contracts.save({ id: 1 })
    expect(await stateOf(home.dataSource, first)).toBe('attached')
    await contracts.save({ id: 1, signed: await upload(home, RULES) })
    expect((await contracts.findOneByOrFail({ id: 1 })).draft?.equals(second)).toBe(true)
    expect(await stateOf(home.dataSource, first)).toBe('delete')
    expect(await stateOf(home.dataSource, second)).toBe('attached')
  })
})

function breakUpdates(type: string): string {
  const trigger = 'CREATE TRIGGER frozen BEFORE UPDATE ON contract FOR EACH ROW'
  if (type === 'postgres') {
    return `CREATE FUNCTION frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'frozen'; END $$;
      ${trigger} EXECUTE FUNCTION frozen()`
  }
  return type === 'mariadb'
    ? `${trigger} SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'frozen'`
    : `${trigger} BEGIN SELECT RAISE(ABORT, 'frozen'); END`
}
