import { expect, it } from 'vitest'
import { filesOf } from '../../src/typeorm/index.js'
import { type House, house, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

async function uploads(home: House, count: number) {
  const files = []
  for (let done = 0; done < count; done += 100)
    files.push(...(await Promise.all(Array.from({ length: 100 }, () => upload(home, ORDER_RULES)))))
  return files
}

describeOnDatabases('more than a thousand rows', fresh => {
  it('are saved, replaced and deleted in one call each', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const files = await uploads(home, 1200)
    const saved = await orders.save(files.map(file => ({ title: 'x', file })))
    expect(await states(home.dataSource)).toEqual({ attached: 1200 })
    const next = await uploads(home, 1200)
    await orders.save(
      saved.map(({ id }, index) => ({ id, file: next[index] })),
      { chunk: 250 },
    )
    expect(await states(home.dataSource)).toEqual({ attached: 1200, delete: 1200 })
    const { rows, files: given } = await filesOf(home.dataSource).deleteAll(Order)
    expect([rows, given]).toEqual([1200, 1200])
    expect(await states(home.dataSource)).toEqual({ delete: 2400 })
  }, 300_000)

  it('are inserted by one statement, all or none', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    // SQLite syncs its disk for each upload, and takes fewer parameters
    const count = home.dataSource.options.type.endsWith('sqlite3') ? 500 : 5000
    const files = await uploads(home, count)
    const rows = files.map(file => ({ title: 'x', file }))
    const twice = [...rows, ...rows.slice(0, 1)]
    await expect(orders.insert(twice)).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
    expect(await states(home.dataSource)).toEqual({ pending: count })
    await orders.insert(rows)
    expect(await states(home.dataSource)).toEqual({ attached: count })
  }, 300_000)
})
