import type { DataSource, EntityManager, QueryRunner } from 'typeorm'
import { expect, it } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { house, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

/** It cannot delete, and does not even answer with a promise. */
class StuckDriver extends MemoryDriver {
  override delete(): never {
    throw new TypeError('no delete today')
  }

  deleteMany(): never {
    throw new TypeError('no delete today')
  }
}

/** Our own hooks at the ends of transactions; the application has no subscribers here. */
function endings({ subscribers }: DataSource) {
  return subscribers.flatMap(each => [
    ...(each.afterTransactionCommit ? [each.afterTransactionCommit.bind(each)] : []),
    ...(each.afterTransactionRollback ? [each.afterTransactionRollback.bind(each)] : []),
  ])
}

describeOnDatabases('the end of a transaction', fresh => {
  it('never fails because of files that cannot be deleted', async () => {
    const storage = memoryStorage({ stuck: new StuckDriver() })
    const home = await house(fresh, [Order], { storage, reap: 'after-commit' })
    const files = await Promise.all([1, 2, 3].map(() => upload(home, ORDER_RULES)))
    const { id } = await home.dataSource.getRepository(Order).save({ title: 'x', file: files[0] })
    const replace = (index: number) => (manager: EntityManager) =>
      manager.save(Order, { id, file: files[index] })
    await home.dataSource.transaction(replace(1))
    const undone = home.dataSource.transaction(async manager => {
      await replace(2)(manager)
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    await home.dataSource.destroy() // when it is closed, nothing is under way any more
    await home.dataSource.setOptions({ synchronize: false }).initialize()
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 1, pending: 1 })
  })

  it('is told to hooks that give no promise and never throw, also when the ledger is closed', async () => {
    const home = await house(fresh, [Order], { reap: 'after-commit' })
    const hooks = endings(home.dataSource)
    expect(hooks).toHaveLength(2)
    const { manager } = home.dataSource
    const runner: QueryRunner = home.dataSource.createQueryRunner()
    await home.dataSource.destroy()
    const event = { connection: home.dataSource, dataSource: home.dataSource, queryRunner: runner, manager }
    for (const hook of hooks) expect(hook(event as never)).toBeUndefined()
  })

  it('is waited for by no hook of ours before it', async () => {
    const home = await house(fresh, [Order])
    for (const each of home.dataSource.subscribers) {
      expect(each.beforeTransactionCommit).toBeUndefined()
      expect(each.beforeTransactionRollback).toBeUndefined()
      expect(each.beforeTransactionStart).toBeUndefined()
    }
  })
})
