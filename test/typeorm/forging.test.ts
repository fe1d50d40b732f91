import { expect, it } from 'vitest'
import { house, memoryStorage, states, upload } from './databases.js'
import { Contract, ORDER_RULES, Order } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

const FORGED = {
  disk: 'media',
  backend: 'memory',
  tenant: 'victim',
  key: 'order_files/11111111-1111-1111-1111-111111111111.pdf',
  name: 'contract.pdf',
  size: 1,
  type: 'application/pdf',
  sha256: null,
}

describeOnSqliteFirst('a file that is not ours', fresh => {
  const ways = ['save', 'insert', 'upsert', 'create', 'merge', 'save an update'] as const

  it.each(ways)('is refused by %s, and leaves no row', async way => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const kept = await orders.save({ title: 'kept', file: await upload(home, ORDER_RULES) })
    const forged = { title: 'forged', file: FORGED as never }
    const attempt = {
      save: () => orders.save(forged),
      insert: () => orders.insert(forged),
      upsert: () => orders.upsert({ id: 7, ...forged }, ['id']),
      create: () => orders.save(orders.create(forged)),
      merge: async () => orders.save(orders.merge(await orders.findOneByOrFail({ id: kept.id }), forged)),
      'save an update': () => orders.save({ id: kept.id, ...forged }),
    }[way]
    await expect(attempt()).rejects.toMatchObject({ code: 'ERR_FILE_FORGED', status: 400 })
    expect(await orders.countBy({ title: 'forged' })).toBe(0)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it.each([
    [
      'its JSON',
      async (home: Parameters<typeof upload>[0]) => JSON.stringify(await upload(home, ORDER_RULES)),
    ],
    [
      'what a client got',
      async (home: Parameters<typeof upload>[0]) => (await upload(home, ORDER_RULES)).toJSON(),
    ],
    [
      'a copy of one',
      async (home: Parameters<typeof upload>[0]) => structuredClone({ ...(await upload(home, ORDER_RULES)) }),
    ],
    ['an SQL expression', async () => () => `'{"v":1}'`],
    ['a number', async () => 7],
    ['a list', async () => []],
  ])('is refused as %s', async (_, make) => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = (await make(home)) as never
    await expect(orders.save({ file })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    await expect(orders.insert({ file })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    expect(await orders.count()).toBe(0)
  })

  it('is refused when it belongs to another storage', async () => {
    const home = await house(fresh, [Order])
    const elsewhere = await upload({ storage: memoryStorage() }, ORDER_RULES)
    const orders = home.dataSource.getRepository(Order)
    await expect(orders.save({ file: elsewhere })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
  })
})

describeOnSqliteFirst('a file for another column', fresh => {
  it.each([
    ['another folder', { folder: 'order_files' }],
    ['another disk', { disk: 'public-media', folder: 'contracts' }],
    ['a folder of a similar name', { folder: 'contracts-old' }],
    ['a folder below its own', { folder: 'contracts/any' }],
  ])('is refused: %s', async (_, rules) => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const file = await upload(home, rules)
    const wrong = { code: 'ERR_FILE_WRONG_COLUMN', status: 400 }
    await expect(contracts.save({ id: 1, draft: file })).rejects.toMatchObject(wrong)
    await expect(contracts.insert({ id: 1, draft: file })).rejects.toMatchObject(wrong)
    expect(await contracts.count()).toBe(0)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('is refused when a staged avatar is saved as a private contract', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const avatar = await upload(home, { disk: 'public-media', folder: 'avatars' })
    const contract = await contracts.save({ id: 1 })
    await expect(contracts.save({ ...contract, draft: avatar })).rejects.toMatchObject({
      code: 'ERR_FILE_WRONG_COLUMN',
    })
    expect((await contracts.findOneByOrFail({ id: 1 })).draft).toBeNull()
    await contracts.save({ ...contract, avatar })
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })
})
