import { expect, it } from 'vitest'
import { house, stateOf, upload } from './databases.js'
import { Folder, ORDER_RULES, Order, TicketSchema } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

describeOnSqliteFirst('an untouched file', fresh => {
  it('causes no statement when its entity is saved again', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const saved = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    home.log.writes()
    await orders.save(saved)
    await orders.save(await orders.findOneByOrFail({ id: saved.id }))
    expect(home.log.writes()).toEqual([])
  })

  it('causes no statement where it lies in an embedded class or an EntitySchema', async () => {
    const home = await house(fresh, [Folder, TicketSchema])
    const folders = home.dataSource.getRepository(Folder)
    const tickets = home.dataSource.getRepository(TicketSchema)
    await folders.save({ attachment: null, meta: { scan: await upload(home, { folder: 'scans' }) } })
    await tickets.save({ attachment: await upload(home, { folder: 'tickets' }) })
    home.log.writes()
    await folders.save(await folders.find())
    await tickets.save(await tickets.find())
    expect(home.log.writes()).toEqual([])
  })

  it('stays out of the UPDATE of another property', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const order = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    order.title = 'y'
    home.log.writes()
    await orders.save(order)
    expect(home.log.writes()).toEqual([expect.not.stringContaining('file')])
  })

  it('stays when an entity is saved without it', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    const { id } = await orders.save({ title: 'x', file })
    await orders.save({ id, title: 'y' })
    expect((await orders.findOneByOrFail({ id })).file?.equals(file)).toBe(true)
    expect(await stateOf(home.dataSource, file)).toBe('attached')
  })
})
