import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSource } from 'typeorm'
import { describe, expect, it, vi } from 'vitest'
import { createStorage } from '../../src/core/storage.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { discardFile } from '../../src/upload/index.js'
import { sqliteOptions } from '../support/sqlite.js'
import { house, ledgerOf, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

const ENTRY = { backend: 'memory', objectKey: 'media/acme/x/1.txt', disk: 'media', tenant: 'acme' }

/** Seconds until a lease ends, by the database's clock and ours. */
async function remaining(dataSource: DataSource): Promise<number> {
  const [line] = await ledgerOf(dataSource)
  return (Number(line?.expires_at) - Date.now()) / 1000
}

describeOnDatabases('the ledger', fresh => {
  it('writes a line before the first byte, and confirms it with the size', async () => {
    const seen: unknown[] = []
    const driver = new MemoryDriver()
    const put = driver.put.bind(driver)
    driver.put = async (...args) => {
      seen.push(...(await ledgerOf(home.dataSource)))
      return put(...args)
    }
    const home = await house(fresh, [Order], { storage: memoryStorage({ memory: driver }), lease: 60 })
    await upload(home, ORDER_RULES)
    expect(seen).toMatchObject([{ state: 'pending', size: null, tenant: 'acme', disk: 'media', attempts: 0 }])
    const [line] = await ledgerOf(home.dataSource)
    expect(Number(line?.size)).toBe(5)
    expect(await remaining(home.dataSource)).toBeGreaterThan(55)
    expect(await remaining(home.dataSource)).toBeLessThan(61)
  })

  it('renews the lease while the upload goes on, and not after', async () => {
    const { storage, dataSource } = await house(fresh, [Order], { lease: 1 })
    const staged = await storage.ledgers.of('acme').stage(ENTRY)
    await sleep(1500)
    expect(await remaining(dataSource)).toBeGreaterThan(0)
    staged.leave()
    await sleep(1100)
    expect(await remaining(dataSource)).toBeLessThan(0)
  })

  it('remembers a multipart upload until the object is complete', async () => {
    const { storage, dataSource } = await house(fresh, [Order])
    const staged = await storage.ledgers.of('acme').stage(ENTRY)
    await staged.recordMultipart('upload-1')
    expect(await ledgerOf(dataSource)).toMatchObject([{ upload_id: 'upload-1' }])
    await staged.confirm(5)
    expect(await ledgerOf(dataSource)).toMatchObject([{ upload_id: null }])
  })

  it('says that the lease is lost when the line is gone', async () => {
    const { storage, dataSource } = await house(fresh, [Order])
    const staged = await storage.ledgers.of('acme').stage(ENTRY)
    await dataSource.query('DELETE FROM file_ledger')
    const lost = { code: 'ERR_LEASE_LOST', status: 409 }
    await expect(staged.recordMultipart('x')).rejects.toMatchObject(lost)
    await expect(staged.confirm(5)).rejects.toMatchObject(lost)
    await staged.abandon()
  })

  it('forgets an upload that is given up', async () => {
    const { storage, dataSource } = await house(fresh, [Order])
    const staged = await storage.ledgers.of('acme').stage(ENTRY)
    await staged.abandon()
    expect(await ledgerOf(dataSource)).toEqual([])
  })

  it('leaves neither object nor line behind a refused upload', async () => {
    const home = await house(fresh, [Order])
    const tooLarge = upload(home, { ...ORDER_RULES, maxSize: 3 })
    await expect(tooLarge).rejects.toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })

  it('discards a file that nobody claimed, and leaves one that has a row', async () => {
    const home = await house(fresh, [Order])
    const [free, used] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    await home.dataSource.getRepository(Order).save({ title: 'x', file: used })
    await runWithTenant('acme', () => discardFile(home.storage, free))
    await runWithTenant('acme', () => discardFile(home.storage, used))
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
    await runWithTenant('acme', async () => {
      await expect(free.bytes()).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
      expect(String(await used.bytes())).toBe('hello')
    })
    await expect(home.dataSource.getRepository(Order).save({ file: free })).rejects.toMatchObject({
      code: 'ERR_FILE_STALE',
    })
  })

  it('keeps the line of a discarded file whose object could not be deleted', async () => {
    const home = await house(fresh, [Order])
    const staged = await home.storage.ledgers.of('acme').stage(ENTRY)
    await staged.confirm(5)
    const failing = () => Promise.reject(new Error('storage down'))
    const discard = home.storage.ledgers.of('acme').discard(ENTRY.backend, ENTRY.objectKey, failing)
    await expect(discard).rejects.toThrow('storage down')
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })

  it('takes a backend switch for no replacement, and never writes the old backend back', async () => {
    const storage = createStorage({
      secret: 'a secret of sixteen',
      backends: { old: new MemoryDriver(), next: new MemoryDriver() },
      writeTo: 'old',
    })
    const home = await house(fresh, [Order], { storage })
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    const early = await orders.findOneByOrFail({ id })
    await home.dataSource.query(
      `UPDATE ${home.dataSource.driver.escape('order')} SET file = REPLACE(file, '"backend":"old"', '"backend":"next"')`,
    )
    early.title = 'y'
    home.log.writes()
    await orders.save(early)
    expect(home.log.writes()).toEqual([expect.not.stringContaining('file')])
    expect(early.file?.backend).toBe('next')
    expect((await orders.findOneByOrFail({ id })).file?.backend).toBe('next')
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })
})

describe('the ledger on SQLite', () => {
  const fresh = async () => sqliteOptions()

  it('refuses to store a file inside of a transaction', async () => {
    const home = await house(fresh, [Order])
    const work = home.dataSource.transaction(() => upload(home, ORDER_RULES))
    await expect(work).rejects.toMatchObject({ code: 'ERR_STAGE_IN_TRANSACTION' })
    const nested = home.dataSource.manager.transaction(manager =>
      manager.transaction(() => upload(home, ORDER_RULES)),
    )
    await expect(nested).rejects.toMatchObject({ code: 'ERR_STAGE_IN_TRANSACTION' })
    await upload(home, ORDER_RULES)
  })

  it("waits for a stranger's transaction, and is not undone with it", async () => {
    const home = await house(fresh, [Order])
    const runner = home.dataSource.createQueryRunner()
    await runner.startTransaction()
    const uploading = upload(home, ORDER_RULES)
    await sleep(100)
    expect(await ledgerOf(home.dataSource)).toEqual([])
    await runner.rollbackTransaction()
    await uploading
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('gives up after five seconds', async () => {
    const home = await house(fresh, [Order])
    const runner = home.dataSource.createQueryRunner()
    await runner.startTransaction()
    vi.spyOn(performance, 'now').mockReturnValueOnce(-10_000)
    await expect(upload(home, ORDER_RULES)).rejects.toMatchObject({ code: 'ERR_LEDGER_BUSY', status: 503 })
    await runner.rollbackTransaction()
  })

  it('survives transactions that are rolled back at every moment', async () => {
    const home = await house(fresh, [Order])
    let isDone = false
    const noise = async () => {
      while (!isDone) {
        const work = home.dataSource.transaction(async manager => {
          await manager.save(Order, { title: 'noise' })
          throw new Error('rolled back')
        })
        await expect(work).rejects.toThrow('rolled back')
        await sleep(1)
      }
    }
    const noises = noise()
    const files = await Promise.all(Array.from({ length: 20 }, () => upload(home, ORDER_RULES)))
    isDone = true
    await noises
    expect(await states(home.dataSource)).toEqual({ pending: 20 })
    await home.dataSource.getRepository(Order).save(files.map(file => ({ title: 'x', file })))
    expect(await states(home.dataSource)).toEqual({ attached: 20 })
  })
})
