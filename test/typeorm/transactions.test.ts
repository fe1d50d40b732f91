import type { EntitySubscriberInterface } from 'typeorm'
import { expect, it } from 'vitest'
import { house, stateOf, states, upload } from './databases.js'
import { Contract, ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

const STALE = { code: 'ERR_FILE_STALE', status: 409 }

describeOnDatabases('a transaction', fresh => {
  it('that is rolled back leaves no link, and the file waiting', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const [old, file] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    const { id } = await orders.save({ file: old })
    const work = home.dataSource.transaction(async manager => {
      await manager.save(Order, { id, file })
      throw new Error('changed my mind')
    })
    await expect(work).rejects.toThrow('changed my mind')
    expect((await orders.findOneByOrFail({ id })).file?.equals(old)).toBe(true)
    expect(await stateOf(home.dataSource, old)).toBe('attached')
    expect(await stateOf(home.dataSource, file)).toBe('pending')
  })

  it('can be tried again with the same file', async () => {
    const home = await house(fresh, [Order])
    const order = { title: 'x', file: await upload(home, ORDER_RULES) }
    const attempt = (fail: boolean) =>
      home.dataSource.transaction(async manager => {
        await manager.save(manager.create(Order, order))
        if (fail) throw new Error('serialization failure')
      })
    await expect(attempt(true)).rejects.toThrow()
    await expect(attempt(true)).rejects.toThrow()
    await attempt(false)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
    expect(await home.dataSource.getRepository(Order).count()).toBe(1)
  })

  it('keeps what is outside of a savepoint that is rolled back', async () => {
    const home = await house(fresh, [Order])
    const [outer, inner, last] = [
      await upload(home, ORDER_RULES),
      await upload(home, ORDER_RULES),
      await upload(home, ORDER_RULES),
    ]
    await home.dataSource.transaction(async manager => {
      await manager.save(Order, { title: 'outer', file: outer })
      const nested = manager.transaction(async savepoint => {
        await savepoint.save(Order, { title: 'inner', file: inner })
        throw new Error('only this')
      })
      await expect(nested).rejects.toThrow('only this')
      await manager.transaction(async savepoint => savepoint.save(Order, { title: 'last', file: last }))
    })
    expect(await stateOf(home.dataSource, outer)).toBe('attached')
    expect(await stateOf(home.dataSource, inner)).toBe('pending')
    expect(await stateOf(home.dataSource, last)).toBe('attached')
    expect(await home.dataSource.getRepository(Order).count()).toBe(2)
  })

  it('claims for insert() inside of it as well', async () => {
    const home = await house(fresh, [Order])
    const [kept, undone] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    await home.dataSource.transaction(manager => manager.insert(Order, { file: kept }))
    const work = home.dataSource.transaction(async manager => {
      await manager.insert(Order, { file: undone })
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await stateOf(home.dataSource, kept)).toBe('attached')
    expect(await stateOf(home.dataSource, undone)).toBe('pending')
  })
})

describeOnDatabases('a savepoint that is rolled back while our hooks are under way', fresh => {
  it('claims nothing afterwards in the transaction around it', async () => {
    const home = await house(fresh, [Order])
    const [old, file] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    const { id } = await home.dataSource.getRepository(Order).save({ title: 'x', file: old })
    const veto: EntitySubscriberInterface = {
      listenTo: () => Order,
      beforeUpdate: () => Promise.reject(new Error('veto')),
    }
    home.dataSource.subscribers.push(veto)
    await home.dataSource.transaction(async manager => {
      const nested = manager.transaction(savepoint => savepoint.save(Order, { id, file }))
      await expect(nested).rejects.toThrow('veto')
      await manager.query('SELECT 1')
    })
    expect(await stateOf(home.dataSource, file)).toBe('pending')
    expect(await stateOf(home.dataSource, old)).toBe('attached')
  })
})

describeOnDatabases('a file that is not free', fresh => {
  it('is refused in a second row', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    await orders.save({ file })
    await expect(orders.save({ file })).rejects.toMatchObject(STALE)
    await expect(orders.insert({ file })).rejects.toMatchObject(STALE)
    const [row] = await orders.find()
    await expect(orders.save({ file: row!.file })).rejects.toMatchObject(STALE)
    expect(await orders.count()).toBe(1)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('is refused twice in one operation', async () => {
    const home = await house(fresh, [Order])
    const file = await upload(home, ORDER_RULES)
    const orders = home.dataSource.getRepository(Order)
    await expect(orders.save([{ file }, { file }])).rejects.toMatchObject(STALE)
    expect(await orders.count()).toBe(0)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('is refused when a stale entity would write a replaced file back', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    const stale = await orders.findOneByOrFail({ id })
    const current = await upload(home, ORDER_RULES)
    await orders.save({ id, file: current })
    stale.title = 'y'
    await expect(orders.save(stale)).rejects.toMatchObject(STALE)
    expect((await orders.findOneByOrFail({ id })).file?.equals(current)).toBe(true)
  })

  it('leaves no row even when the error is swallowed and the transaction committed', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    const { id } = await orders.save({ file })
    await home.dataSource.transaction(async manager => {
      await expect(manager.save(Order, { title: 'thief', file })).rejects.toMatchObject(STALE)
      await expect(manager.insert(Order, { title: 'thief', file })).rejects.toMatchObject(STALE)
    })
    expect(await orders.find({ select: { id: true } })).toEqual([{ id }])
  })

  it('fits neither of two columns at once', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const file = await upload(home, { folder: 'contracts' })
    await expect(contracts.save({ id: 1, draft: file, signed: file })).rejects.toMatchObject(STALE)
    const contract = await contracts.save({ id: 1, draft: file })
    await expect(contracts.save({ ...contract, signed: file })).rejects.toMatchObject(STALE)
  })
})

describeOnDatabases('several files of one row', fresh => {
  it('are claimed and replaced each for itself', async () => {
    const home = await house(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const stage = () => upload(home, { folder: 'contracts' })
    const [draft, signed, better] = [await stage(), await stage(), await stage()]
    const contract = await contracts.save({ id: 1, draft, signed })
    await contracts.save({ ...contract, draft: better })
    expect(await stateOf(home.dataSource, draft)).toBe('delete')
    expect(await stateOf(home.dataSource, signed)).toBe('attached')
    await contracts.save({ id: 1, draft: null, signed: null })
    expect(await states(home.dataSource)).toEqual({ delete: 3 })
  })
})
