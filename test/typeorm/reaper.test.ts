import type { DataSource } from 'typeorm'
import { afterEach, expect, it } from 'vitest'
import { onStorageEvent, type StorageEvents } from '../../src/core/events.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { ChaosDriver } from '../../src/testing/index.js'
import { reapOnce, retryDead } from '../../src/typeorm/index.js'
import { SpyDriver } from '../core/spy-driver.js'
import { keysIn } from '../isolation/doors.js'
import { house, ledgerOf, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

const ENTRY = { backend: 'memory', objectKey: 'media/acme/x/1.txt', disk: 'media', tenant: 'acme' }

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** The events of one name that are published during the test. */
function heard<E extends keyof StorageEvents>(event: E): StorageEvents[E][] {
  const seen: StorageEvents[E][] = []
  stops.push(onStorageEvent(event, payload => void seen.push(payload)))
  return seen
}

/** As if so much time had passed: everything that has a time is over. */
async function passTime(dataSource: DataSource): Promise<void> {
  await dataSource.query('UPDATE file_ledger SET expires_at = 1 WHERE expires_at IS NOT NULL')
}

const objects = (driver: MemoryDriver) => keysIn(driver.list(''))

describeOnDatabases('the reaper', fresh => {
  const open = async () => {
    const driver = new MemoryDriver()
    const home = await house(fresh, [Order], { storage: memoryStorage({ memory: driver }) })
    return { ...home, driver, orders: home.dataSource.getRepository(Order) }
  }

  it('deletes replaced and removed files, and leaves those that have a row', async () => {
    const { orders, driver, ...home } = await open()
    const order = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    const file = await upload(home, ORDER_RULES)
    await orders.save({ id: order.id, file })
    const removed = await orders.save({ title: 'y', file: await upload(home, ORDER_RULES) })
    await orders.remove(removed)
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 2 })
    expect(await reapOnce(home.storage)).toEqual({ taken: 2, deleted: 2, failed: 0, errors: [] })
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
    expect(await objects(driver)).toEqual([`media/acme/${file.key}`])
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
  })

  it('leaves an upload its time to find a row, and deletes it afterwards', async () => {
    const { driver, orders, ...home } = await open()
    const file = await upload(home, ORDER_RULES)
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    await passTime(home.dataSource)
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    expect(await objects(driver)).toEqual([])
    await expect(orders.save({ file })).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
    await expect(orders.insert({ file })).rejects.toMatchObject({ code: 'ERR_FILE_STALE' })
    expect(await orders.count()).toBe(0)
  })

  it('looks after a reaped key once more, a day later', async () => {
    const { driver, ...home } = await open()
    const { key } = await upload(home, ORDER_RULES)
    await passTime(home.dataSource)
    await reapOnce(home.storage)
    const [line] = await ledgerOf(home.dataSource)
    expect(line?.state).toBe('reaped')
    expect(Number(line?.expires_at)).toBeGreaterThan(Date.now() + 86_000_000)
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    // A request that was lost on the way arrives after all.
    await driver.put(`media/acme/${key}`, Buffer.from('late'), { contentType: 'text/plain' })
    await passTime(home.dataSource)
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    expect(await objects(driver)).toEqual([])
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })

  it('deletes a kept file when its time is over, and not before', async () => {
    const { orders, driver, ...home } = await open()
    await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    await home.dataSource.query(
      `UPDATE file_ledger SET state = 'kept', expires_at = ${Date.now() + 3_600_000}`,
    )
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    await passTime(home.dataSource)
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    expect(await objects(driver)).toEqual([])
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })

  it('says to an upload that outlived its lease that it is lost, and leaves nothing of it', async () => {
    const driver = new MemoryDriver()
    const put = driver.put.bind(driver)
    const home = await house(fresh, [Order], { storage: memoryStorage({ memory: driver }) })
    driver.put = async (...args) => {
      await passTime(home.dataSource)
      await reapOnce(home.storage)
      return put(...args)
    }
    await expect(upload(home, ORDER_RULES)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST', status: 409 })
    expect(await objects(driver)).toEqual([])
    expect(await states(home.dataSource)).toEqual({ reaped: 1 })
  })

  it('ends an upload in parts whose process died, by its id', async () => {
    const spy = new SpyDriver()
    const home = await house(fresh, [Order], { storage: storageOf(spy) })
    const staged = await home.storage.ledgers.of('acme').stage({ ...ENTRY, backend: 'spy' })
    await staged.recordMultipart('upload-7')
    staged.leave()
    await passTime(home.dataSource)
    await reapOnce(home.storage)
    const ended = spy.calls.filter(({ method }) => method === 'abortUpload')
    expect(ended).toMatchObject([{ keys: [ENTRY.objectKey], options: { id: 'upload-7' } }])
    expect(spy.calls.some(({ method }) => method === 'listUploads')).toBe(false)
  })

  it('looks for the upload in parts of a process that died before it could note the id', async () => {
    const spy = new SpyDriver()
    spy.listUploads = async function* () {
      yield { key: 'media/acme/x/other.txt', id: 'somebody else' }
      yield { key: ENTRY.objectKey, id: 'one' }
      yield { key: ENTRY.objectKey, id: 'two' }
    }
    const home = await house(fresh, [Order], { storage: storageOf(spy) })
    const staged = await home.storage.ledgers.of('acme').stage({ ...ENTRY, backend: 'spy' })
    staged.leave()
    await passTime(home.dataSource)
    await reapOnce(home.storage)
    const ended = spy.calls.filter(({ method }) => method === 'abortUpload')
    expect(ended).toMatchObject([{ options: { id: 'one' } }, { options: { id: 'two' } }])
    for (const { keys } of ended) expect(keys).toEqual([ENTRY.objectKey])
  })

  it.each([
    ['looks for the upload in parts of a large file whose move was killed', 5 * 1024 * 1024, 1],
    ['looks for none of a file that is too small for parts', 5 * 1024 * 1024 - 1, 0],
  ])('%s', async (_, size, listings) => {
    const spy = new SpyDriver()
    const home = await house(fresh, [Order], { storage: storageOf(spy) })
    const staged = await home.storage.ledgers.of('acme').stage({ ...ENTRY, backend: 'spy' })
    staged.leave()
    // Of a file that moves, the size is known before its first byte.
    await home.dataSource.query(`UPDATE file_ledger SET size = ${size}`)
    await passTime(home.dataSource)
    await reapOnce(home.storage)
    expect(spy.calls.filter(({ method }) => method === 'listUploads')).toHaveLength(listings)
  })

  it('tries again later what could not be deleted, and says why', async () => {
    const memory = new MemoryDriver()
    const fault = { kind: 'error', code: 'ERR_BACKEND_DENIED' } as const
    const chaos = new ChaosDriver(memory, { rules: [{ method: 'delete', fault }] })
    const home = await house(fresh, [Order], { storage: storageOf(chaos) })
    const orders = home.dataSource.getRepository(Order)
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    const leftover = heard('leftover')
    const rounds = heard('reaper')
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 1, deleted: 0, failed: 1 })
    expect(leftover).toMatchObject([{ error: { code: 'ERR_BACKEND_DENIED' } }])
    expect(rounds).toMatchObject([{ ledger: 'default', taken: 1, failed: 1, backlog: 0, dead: 0 }])
    const [line] = await ledgerOf(home.dataSource)
    expect(line).toMatchObject({ state: 'delete', attempts: 1, token: null })
    expect(line?.error).toContain('ERR_BACKEND_DENIED')
    expect(Number(line?.expires_at)).toBeGreaterThan(Date.now() + 10_000)
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    chaos.calm()
    await passTime(home.dataSource)
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    expect(await objects(memory)).toEqual([])
  })

  it('gives a file up that fails again and again, until somebody asks to retry', async () => {
    const memory = new MemoryDriver()
    const fault = { kind: 'error', code: 'ERR_BACKEND' } as const
    const chaos = new ChaosDriver(memory, { rules: [{ method: 'delete', fault }] })
    const home = await house(fresh, [Order], { storage: storageOf(chaos) })
    const orders = home.dataSource.getRepository(Order)
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    const rounds = heard('reaper')
    for (let round = 0; round < 3; round++) {
      await reapOnce(home.storage, { maxAttempts: 3 })
      await passTime(home.dataSource)
    }
    expect(await states(home.dataSource)).toEqual({ dead: 1 })
    expect(rounds.at(-1)).toMatchObject({ dead: 1 })
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    chaos.calm()
    expect(await retryDead(home.storage)).toBe(1)
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    expect(await objects(memory)).toEqual([])
  })

  it('leaves a backend that is down alone for the rest of the round', async () => {
    const chaos = new ChaosDriver(new MemoryDriver(), {
      rules: [{ method: 'delete', fault: { kind: 'error', code: 'ERR_BACKEND' } }],
    })
    const home = await house(fresh, [Order], { storage: storageOf(chaos) })
    const orders = home.dataSource.getRepository(Order)
    for (let count = 0; count < 5; count++) {
      await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    }
    const rounds = heard('reaper')
    expect(await reapOnce(home.storage, { batchSize: 2 })).toMatchObject({ taken: 2, failed: 2 })
    expect(rounds).toMatchObject([{ backlog: 3 }])
    expect(rounds[0]?.lag).toBeGreaterThan(0)
  })

  it('takes up what a reaper left that died, when its time is over', async () => {
    const { orders, driver, ...home } = await open()
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    // What is left when it dies between the mark and the deletion.
    await home.dataSource.query(`UPDATE file_ledger SET token = 'dead', expires_at = ${Date.now() + 600_000}`)
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    await passTime(home.dataSource)
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
    expect(await objects(driver)).toEqual([])
  })

  it('leaves the lines of a backend that this process does not know', async () => {
    const { orders, ...home } = await open()
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    await home.dataSource.query(`UPDATE file_ledger SET backend = 'elsewhere'`)
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0, failed: 0 })
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })

  it('shares the work with any number of others, each line once', async () => {
    const spy = new SpyDriver()
    const home = await house(fresh, [Order], { storage: storageOf(spy) })
    const files = await Promise.all(Array.from({ length: 30 }, () => upload(home, ORDER_RULES)))
    await passTime(home.dataSource)
    spy.calls.length = 0
    const reports = await Promise.all(
      Array.from({ length: 4 }, () => reapOnce(home.storage, { batchSize: 3 })),
    )
    expect(reports.reduce((sum, { deleted }) => sum + deleted, 0)).toBe(30)
    const deleted = spy.calls.filter(({ method }) => method === 'deleteMany').flatMap(({ keys }) => keys)
    expect(deleted.toSorted()).toEqual(files.map(({ key }) => `media/acme/${key}`).toSorted())
  })

  it('never takes a file that is being saved', async () => {
    const { orders, driver, ...home } = await open()
    const saves: Promise<StoredFile | undefined>[] = []
    for (let count = 0; count < 20; count++) {
      const file = await upload(home, ORDER_RULES)
      await passTime(home.dataSource)
      saves.push(
        orders.save({ title: 'x', file }).then(
          () => file,
          () => undefined,
        ),
      )
      if (count % 3 === 0) await reapOnce(home.storage)
    }
    const saved = (await Promise.all(saves)).filter(file => file !== undefined)
    await reapOnce(home.storage)
    expect(await orders.count()).toBe(saved.length)
    expect(await objects(driver)).toEqual(saved.map(({ key }) => `media/acme/${key}`).toSorted())
  })

  it('says that the table is missing, and goes on when it is there again', async () => {
    const { orders, ...home } = await open()
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    await home.dataSource.query('ALTER TABLE file_ledger RENAME TO elsewhere')
    const rounds = heard('reaper')
    await expect(reapOnce(home.storage)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    expect(rounds).toMatchObject([{ taken: 0, error: { code: 'ERR_CONFIG' } }])
    await home.dataSource.query('ALTER TABLE elsewhere RENAME TO file_ledger')
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 1 })
  })

  it('refuses options that make no sense', async () => {
    const { storage } = await open()
    const refused = { code: 'ERR_CONFIG' }
    await expect(reapOnce(storage, { batchSize: 0 })).rejects.toMatchObject(refused)
    await expect(reapOnce(storage, { concurrency: 1.5 })).rejects.toMatchObject(refused)
    await expect(reapOnce(storage, { tombstone: -1 })).rejects.toMatchObject(refused)
    await expect(reapOnce(storage, { batch: 5 } as object)).rejects.toMatchObject(refused)
  })

  it('deletes behind a commit, without being asked', async () => {
    const driver = new MemoryDriver()
    const storage = memoryStorage({ memory: driver })
    const home = await house(fresh, [Order], { storage, reap: 'after-commit' })
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    const file = await upload(home, ORDER_RULES)
    await orders.save({ id, file })
    await expect.poll(() => objects(driver)).toEqual([`media/acme/${file.key}`])
    await expect.poll(() => states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('deletes nothing behind a rollback, nor what a savepoint gave up that was rolled back', async () => {
    const driver = new MemoryDriver()
    const storage = memoryStorage({ memory: driver })
    const home = await house(fresh, [Order], { storage, reap: 'after-commit' })
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    const undone = home.dataSource.transaction(async manager => {
      await manager.save(Order, { id, file: null })
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    await home.dataSource.transaction(async manager => {
      const inner = manager.transaction(async nested => {
        await nested.save(Order, { id, file: null })
        throw new Error('undone')
      })
      await expect(inner).rejects.toThrow('undone')
    })
    await home.dataSource.destroy() // waits for what was begun
    expect(await objects(driver)).toHaveLength(1)
    await home.dataSource.initialize()
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('ends its batch before its DataSource closes', async () => {
    const { orders, ...home } = await open()
    await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    const round = reapOnce(home.storage)
    await home.dataSource.destroy()
    await round.catch(() => {})
    expect(await reapOnce(home.storage)).toMatchObject({ taken: 0 })
    await home.dataSource.initialize()
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })
})

function storageOf(driver: SpyDriver | ChaosDriver) {
  return memoryStorage({ [driver.kind]: driver })
}
