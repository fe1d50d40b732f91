import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { type House, house, ledgerOf, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

type Write = (manager: EntityManager, row: Order, file: StoredFile) => Promise<unknown>

const WRITES: Record<string, Write> = {
  'save(new)': (manager, _row, file) => manager.save(Order, { title: 'new', file }),
  'save(changed)': (manager, row, file) => manager.save(Order, { id: row.id, file }),
  'insert()': (manager, _row, file) => manager.insert(Order, { title: 'new', file }),
  'remove()': (manager, row) => manager.remove(row),
}

/** Pauses of every length at which a rollback may meet a write. */
const PAUSES: (() => Promise<void>)[] = [
  ...range(60).map(count => async () => {
    for (let i = 0; i < count; i++) await undefined
  }),
  ...range(40).map(count => async () => {
    for (let i = 0; i < count; i++) await setImmediate()
  }),
]

// A forgotten await, or the other half of a Promise.all: TypeORM sends such statements behind the ROLLBACK.
describeOnSqliteFirst('a write that nobody waits for, in a transaction that is rolled back,', fresh => {
  it.each(Object.entries(WRITES))('%s leaves no row whose file is not its own', async (_name, write) => {
    const home = await house(fresh, [Order])
    for (const pause of PAUSES) await rollBackAfter(home, pause, write)
    const lines = await ledgerOf(home.dataSource)
    const rows = await home.dataSource.getRepository(Order).find()
    const states = rows.map(({ file }) => lines.find(line => line.object_key.endsWith(file!.key))?.state)
    expect(states.filter(state => state !== 'attached')).toEqual([])
  })

  it('says so to whoever waits after all', async () => {
    const home = await house(fresh, [Order])
    const file = await upload(home, ORDER_RULES)
    let saving: Promise<unknown> = Promise.resolve()
    home.dataSource.subscribers.push({ listenTo: () => Order, beforeInsert: () => sleep(50) })
    const work = home.dataSource.transaction(async manager => {
      saving = manager.save(Order, { file })
      saving.catch(() => {})
      await sleep(20)
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    await expect(saving).rejects.toThrow()
    const orders = home.dataSource.getRepository(Order)
    expect(await orders.count()).toBe(0)
    home.dataSource.subscribers.pop()
    await orders.save({ file })
  })
})

async function rollBackAfter(home: House, pause: () => Promise<void>, write: Write): Promise<void> {
  const row = await home.dataSource.getRepository(Order).save({ file: await upload(home, ORDER_RULES) })
  const file = await upload(home, ORDER_RULES)
  let writing: Promise<unknown> = Promise.resolve()
  const work = home.dataSource.transaction(async manager => {
    writing = write(manager, row, file)
    writing.catch(() => {})
    await pause()
    throw new Error('no')
  })
  await expect(work).rejects.toThrow('no')
  await writing.catch(() => {})
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index)
}
