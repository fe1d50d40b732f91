import { setTimeout as sleep } from 'node:timers/promises'
import { DataSource } from 'typeorm'
import { afterEach, expect, it } from 'vitest'
import { onStorageEvent, type StorageEvents } from '../../src/core/events.js'
import { createStorage } from '../../src/core/storage.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { type Reaper, startReaper, withFiles } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { sqliteOptions } from '../support/sqlite.js'
import { house, ledgerOf, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function started(reaper: Reaper): Reaper {
  stops.push(() => reaper.stop())
  return reaper
}

function rounds(): StorageEvents['reaper'][] {
  const seen: StorageEvents['reaper'][] = []
  stops.push(onStorageEvent('reaper', payload => void seen.push(payload)))
  return seen
}

/** A driver whose deletions wait until they are let go, or given up. */
function slowDriver() {
  const driver = new MemoryDriver()
  const remove = driver.delete.bind(driver)
  let letGo = () => {}
  const gate = new Promise<void>(resolve => {
    letGo = resolve
  })
  let begun = 0
  driver.delete = async (key, options) => {
    begun += 1
    await new Promise<void>((resolve, reject) => {
      void gate.then(resolve)
      options?.signal?.addEventListener('abort', () => reject(new Error('given up')))
    })
    await remove(key, options)
  }
  return { driver, letGo: () => letGo(), begun: () => begun }
}

describeOnSqliteFirst('a reaper in the background', fresh => {
  const leave = async (driver: MemoryDriver) => {
    const home = await house(fresh, [Order], { storage: memoryStorage({ memory: driver }) })
    const orders = home.dataSource.getRepository(Order)
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    return home
  }

  it('deletes what is there, and what comes', async () => {
    const driver = new MemoryDriver()
    const home = await leave(driver)
    started(startReaper(home.storage, { interval: 0.02 }))
    await expect.poll(() => keysIn(driver.list(''))).toEqual([])
    const orders = home.dataSource.getRepository(Order)
    await orders.remove(await orders.save({ title: 'y', file: await upload(home, ORDER_RULES) }))
    await expect.poll(() => keysIn(driver.list(''))).toEqual([])
    await expect.poll(() => ledgerOf(home.dataSource)).toEqual([])
  })

  it('may be started before its database is there', async () => {
    const storage = memoryStorage()
    const seen = rounds()
    started(startReaper(storage, { interval: 0.02 }))
    await sleep(50)
    expect(seen).toEqual([])
    await house(fresh, [Order], { storage })
    await expect.poll(() => seen.length).toBeGreaterThan(1)
    expect(seen[0]).toEqual({
      ledger: 'default',
      taken: 0,
      deleted: 0,
      failed: 0,
      dead: 0,
      backlog: 0,
      lag: 0,
    })
  })

  it('works on every ledger of the storage, also when one of them is broken', async () => {
    const driver = new MemoryDriver()
    const storage = createStorage({
      secret: 'a secret of sixteen',
      backends: { memory: driver },
      ledgerOf: tenant => (tenant === 'acme' ? 'first' : 'second'),
    })
    for (const [ledger, tenant] of [
      ['first', 'acme'],
      ['second', 'globex'],
    ]) {
      const home = await house(fresh, [Order], { storage, ledger })
      const orders = home.dataSource.getRepository(Order)
      const file = await upload(home, ORDER_RULES, { tenant })
      await orders.remove(await orders.save({ title: 'x', file }))
      if (ledger === 'first') await home.dataSource.query('ALTER TABLE file_ledger RENAME TO elsewhere')
    }
    const seen = rounds()
    const reaper = started(startReaper(storage, { interval: 60 }))
    const report = await reaper.runOnce()
    expect(report).toMatchObject({ errors: [{ code: 'ERR_CONFIG' }] })
    expect(await keysIn(driver.list(''))).toEqual([expect.stringContaining('media/acme/')])
    expect(seen).toContainEqual(expect.objectContaining({ ledger: 'first', error: expect.anything() }))
    expect(seen).toContainEqual(expect.objectContaining({ ledger: 'second', deleted: 1 }))
  })

  it('ends its batch when it is stopped', async () => {
    const { driver, letGo, begun } = slowDriver()
    const home = await leave(driver)
    const reaper = startReaper(home.storage)
    await expect.poll(begun).toBe(1)
    const stopping = reaper.stop()
    letGo()
    await stopping
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })

  it('gives up what takes too long when it is stopped, for another one to do', async () => {
    const { driver, begun } = slowDriver()
    const home = await leave(driver)
    const reaper = startReaper(home.storage)
    await expect.poll(begun).toBe(1)
    await reaper.stop({ timeout: 0.01 })
    const [line] = await ledgerOf(home.dataSource)
    expect(line).toMatchObject({ state: 'delete', attempts: 0, token: null })
    expect(Number(line?.expires_at)).toBeLessThanOrEqual(Date.now())
    await reaper.stop() // once more does no harm
  })

  it('waits for no driver that never answers and does not listen to its signal', async () => {
    const driver = new MemoryDriver()
    const home = await leave(driver)
    let begun = 0
    driver.delete = () => {
      begun += 1
      return new Promise(() => {})
    }
    const reaper = startReaper(home.storage)
    await expect.poll(() => begun).toBe(1)
    await reaper.stop({ timeout: 0.01 })
    expect(await ledgerOf(home.dataSource)).toMatchObject([{ state: 'delete', attempts: 0, token: null }])
  })

  it('refuses options that make no sense', () => {
    const storage = memoryStorage()
    for (const interval of [0, -1, Number.NaN, 100_000]) {
      const start = () => startReaper(storage, { interval })
      expect(start).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    }
    expect(() => startReaper(storage, { every: 5 } as object)).toThrow('no option "every"')
    const wrong = () => withFiles(storage, new DataSource(sqliteOptions()), { reap: 'never' as 'later' })
    expect(wrong).toThrow('after-commit')
  })

  it('does nothing any more when it is stopped', async () => {
    const home = await leave(new MemoryDriver())
    const reaper = startReaper(home.storage, { interval: 0.01 })
    await reaper.stop()
    const before = await states(home.dataSource)
    const seen = rounds()
    await sleep(50)
    expect(seen).toEqual([])
    expect(await states(home.dataSource)).toEqual(before)
  })
})
