import { expect, it } from 'vitest'
import { onStorageEvent } from '../../../src/core/events.js'
import { filesOf, type WithFilesOptions, withFiles } from '../../../src/typeorm/index.js'
import { dataSourceOf, house, memoryStorage, states, upload } from '../databases.js'
import { ORDER_RULES, Order } from '../entities.js'
import { describeOnSqliteFirst } from '../on-databases.js'
import { Customer, FAMILY } from './entities.js'

const REFUSED = { code: 'ERR_BULK_WRITE' }

describeOnSqliteFirst('a bulk delete', fresh => {
  it('is refused on an entity with files, before the statement', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ file: await upload(home, ORDER_RULES) })
    await expect(orders.delete(id)).rejects.toMatchObject(REFUSED)
    await expect(orders.delete({ id })).rejects.toThrow('filesOf(dataSource).delete()')
    const built = orders.createQueryBuilder().delete().where('id = :id', { id })
    await expect(built.execute()).rejects.toMatchObject(REFUSED)
    expect(await orders.count()).toBe(1)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('is refused on an entity whose rows take rows with files along', async () => {
    const home = await house(fresh, FAMILY)
    await home.dataSource.getRepository(Customer).save({ id: 1 })
    const bulk = home.dataSource.getRepository(Customer).delete(1)
    await expect(bulk).rejects.toThrow('rows of Letter, Stamp')
  })

  it('passes elsewhere', async () => {
    const home = await house(fresh, [Order, Customer])
    await home.dataSource.getRepository(Customer).save({ id: 1 })
    await home.dataSource.getRepository(Customer).delete(1)
    expect(await home.dataSource.getRepository(Customer).count()).toBe(0)
  })

  it('leaves a transaction usable, in which it was refused', async () => {
    const home = await house(fresh, [Order])
    const file = await upload(home, ORDER_RULES)
    await home.dataSource.transaction(async manager => {
      const order = await manager.save(Order, { file })
      await expect(manager.delete(Order, order.id)).rejects.toMatchObject(REFUSED)
      await filesOf(manager).delete(Order, order.id)
    })
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })

  it('passes with a warning, or without one, where the application says so', async () => {
    const said: string[] = []
    const stop = onStorageEvent('warning', ({ code }) => said.push(code))
    for (const bulkWrites of ['warn', 'allow'] as const) {
      const home = await house(fresh, [Order], { bulkWrites })
      const orders = home.dataSource.getRepository(Order)
      const { id } = await orders.save({ file: await upload(home, ORDER_RULES) })
      await orders.update(id, { file: null })
      await orders.delete(id)
      expect(await orders.count()).toBe(0)
      const file = await upload(home, ORDER_RULES)
      await expect(orders.update(id, { file })).rejects.toMatchObject(REFUSED)
    }
    stop()
    expect(said).toEqual(['BULK_WRITE', 'BULK_WRITE'])
  })

  it('is refused by default, and a word that means nothing is no choice', async () => {
    const options = { bulkWrites: 'never' } as unknown as WithFilesOptions
    const base = await fresh()
    expect(() => withFiles(memoryStorage(), dataSourceOf(base), options)).toThrow('refuse, warn or allow')
  })
})
