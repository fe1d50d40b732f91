import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describe, expect, it, vi } from 'vitest'
import { onStorageEvent } from '../../src/core/events.js'
import { resolveRules } from '../../src/core/rules.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runAsSystem, runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { FileColumn, usage, withFiles } from '../../src/typeorm/index.js'
import { discardFile, receiveFile, storeFile } from '../../src/upload/index.js'
import { sqliteOptions } from '../support/sqlite.js'
import { dataSourceOf, house, ledgerOf, memoryStorage, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

const KB = 1024
const kilobytes = (count: number) => 'x'.repeat(count * KB)
const exceeded = { code: 'ERR_QUOTA_EXCEEDED', status: 413, expose: true }

const ARCHIVED_RULES = { folder: 'archive' }

@Entity()
class Archived {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ ...ARCHIVED_RULES, onRemove: 'keep' })
  file!: StoredFile | null
}

describeOnDatabases('a quota', fresh => {
  it('is never exceeded by uploads that fit alone and not together', async () => {
    const home = await house(fresh, [Order], { quota: '10kb' })
    const uploads = Array.from({ length: 50 }, () => upload(home, ORDER_RULES, { body: kilobytes(1) }))
    const highest = { used: 0 }
    const watch = setInterval(async () => {
      const { used } = await usage(home.dataSource, 'acme').catch(() => ({ used: 0 }))
      highest.used = Math.max(highest.used, used)
    }, 3)
    const ended = await Promise.allSettled(uploads)
    clearInterval(watch)
    const refused = ended.filter(each => each.status === 'rejected')
    expect(refused).toHaveLength(40)
    for (const { reason } of refused) expect(reason).toMatchObject(exceeded)
    expect(highest.used).toBeLessThanOrEqual(10 * KB)
    expect(await usage(home.dataSource, 'acme')).toMatchObject({ used: 10 * KB, quota: 10 * KB, left: 0 })
  })

  it('holds uploads of unknown length to what they may become at most', async () => {
    const home = await house(fresh, [Order], { quota: '1200kb' })
    const { storage, dataSource } = home
    const rules = { ...ORDER_RULES, maxSize: '800kb' }
    const slow = Readable.from(
      (async function* () {
        yield Buffer.alloc(400 * KB, 'a')
        await vi.waitFor(async () => expect((await usage(dataSource, 'acme')).used).toBe(800 * KB))
        const another = Readable.from([Buffer.alloc(440 * KB, 'b')], { objectMode: false })
        const big = runWithTenant('acme', () => storeFile(storage, another, rules, { name: 'b.txt' }))
        await expect(big).rejects.toMatchObject(exceeded)
        await upload(home, ORDER_RULES, { body: kilobytes(240) })
      })(),
      { objectMode: false },
    )
    await runWithTenant('acme', () => storeFile(storage, slow, rules, { name: 'a.txt' }))
    expect((await usage(dataSource, 'acme')).used).toBe(640 * KB)
  })

  it('takes the length of the request where that says less than the largest file', async () => {
    const home = await house(fresh, [Order], { quota: '1000kb' })
    const store = (atMost?: number) => {
      const body = Readable.from(halves(700 * KB), { objectMode: false })
      const rules = resolveRules(ORDER_RULES)
      return runWithTenant('acme', () => receiveFile(home.storage, body, rules, { name: 'b.txt', atMost }))
    }
    await expect(store()).rejects.toMatchObject(exceeded)
    await store(800 * KB)
    expect((await usage(home.dataSource, 'acme')).left).toBe(300 * KB)
  })

  it('gives back what a failed upload or a discarded file took', async () => {
    const home = await house(fresh, [Order], { quota: 1000 })
    const failing = Readable.from(
      (async function* () {
        yield Buffer.alloc(70 * KB, 'a')
        throw new Error('gone')
      })(),
      { objectMode: false },
    )
    const rules = { ...ORDER_RULES, maxSize: 1000 }
    const failed = runWithTenant('acme', () => storeFile(home.storage, failing, rules, { name: 'a.txt' }))
    await expect(failed).rejects.toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    expect((await usage(home.dataSource, 'acme')).left).toBe(1000)
    const file = await upload(home, ORDER_RULES, { body: 'x'.repeat(1000) })
    expect((await usage(home.dataSource, 'acme')).left).toBe(0)
    await runWithTenant('acme', () => discardFile(home.storage, file))
    expect((await usage(home.dataSource, 'acme')).left).toBe(1000)
  })

  it('ends a reservation with its lease, and refuses the upload that comes back after it', async () => {
    const { storage, dataSource } = await house(fresh, [Order], { quota: 1000, lease: 1 })
    const entry = { backend: 'memory', objectKey: 'media/acme/a', disk: 'media', tenant: 'acme', atMost: 800 }
    const dead = await storage.ledgers.of('acme').stage(entry)
    dead.leave()
    const second = { ...entry, objectKey: 'media/acme/b' }
    await expect(storage.ledgers.of('acme').stage(second)).rejects.toMatchObject(exceeded)
    await sleep(1200)
    const alive = await storage.ledgers.of('acme').stage(second)
    await expect(dead.confirm(800)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    await alive.confirm(700)
    expect((await usage(dataSource, 'acme')).used).toBe(700)
  })

  it('lets no upload become larger than what was set aside for it', async () => {
    const { storage } = await house(fresh, [Order], { quota: 1000 })
    const entry = { backend: 'memory', objectKey: 'media/acme/a', disk: 'media', tenant: 'acme', atMost: 10 }
    const staged = await storage.ledgers.of('acme').stage(entry)
    await expect(staged.confirm(11)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
  })

  it('counts files of rows, and no longer those that rows gave up', async () => {
    const { storage, dataSource } = await house(fresh, [Order], { quota: 1000 })
    const repo = dataSource.getRepository(Order)
    const order = await repo.save(
      repo.create({ file: await upload({ storage }, ORDER_RULES, { body: 'x'.repeat(600) }) }),
    )
    await expect(upload({ storage }, ORDER_RULES, { body: 'x'.repeat(600) })).rejects.toMatchObject(exceeded)
    await repo.remove(order)
    await upload({ storage }, ORDER_RULES, { body: 'x'.repeat(600) })
    const { used, parts } = await usage(dataSource, 'acme')
    expect(used).toBe(600)
    expect(parts).toEqual([
      { disk: 'media', state: 'delete', files: 1, bytes: 600 },
      { disk: 'media', state: 'pending', files: 1, bytes: 600 },
    ])
  })

  it('counts nothing that is kept after its row let go of it', async () => {
    const { storage, dataSource } = await house(fresh, [Archived], { quota: 1000 })
    const repo = dataSource.getRepository(Archived)
    const file = await upload({ storage }, ARCHIVED_RULES, { body: 'x'.repeat(600) })
    await repo.remove(await repo.save(repo.create({ file })))
    expect(await usage(dataSource, 'acme')).toMatchObject({
      used: 0,
      parts: [{ disk: 'media', state: 'kept', files: 1, bytes: 600 }],
    })
  })

  it('is of each tenant by itself, also where two differ in case only', async () => {
    const home = await house(fresh, [Order], { quota: tenant => (tenant === 'free' ? '1kb' : null) })
    await upload(home, ORDER_RULES, { tenant: 'free', body: kilobytes(1) })
    await upload(home, ORDER_RULES, { tenant: 'paid', body: kilobytes(9) })
    await upload(home, ORDER_RULES, { tenant: 'FREE', body: kilobytes(1) })
    await expect(upload(home, ORDER_RULES, { tenant: 'free' })).rejects.toMatchObject(exceeded)
    expect(await usage(home.dataSource, 'free')).toMatchObject({ used: KB })
    expect(await usage(home.dataSource, 'paid')).toMatchObject({ used: 9 * KB, quota: null, left: null })
  })

  it('costs no statement where a tenant has none', async () => {
    const { storage, dataSource } = await house(fresh, [Order], { quota: () => undefined })
    await upload({ storage }, ORDER_RULES)
    expect(await ledgerOf(dataSource)).toMatchObject([{ reserved: null, state: 'pending' }])
  })
})

describe('the size of a quota', () => {
  const home = (quota: Parameters<typeof withFiles>[2]) => house(async () => sqliteOptions(), [Order], quota)

  it.each(['lots', -1, 1.5, '10 parsecs'])('is not %s', quota => {
    const options = { ...sqliteOptions(), entities: [Order] }
    expect(() => withFiles(memoryStorage(), dataSourceOf(options), { quota })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })

  it('may be nothing at all', async () => {
    await expect(upload(await home({ quota: 0 }), ORDER_RULES)).rejects.toMatchObject(exceeded)
  })

  it('may be asked for, and an answer that fails stores nothing', async () => {
    const { storage } = await home({ quota: async () => '1mb' })
    await upload({ storage }, ORDER_RULES)
    const broken = await home({ quota: () => Promise.reject(new Error('the billing service is down')) })
    await expect(upload(broken, ORDER_RULES)).rejects.toMatchObject({
      code: 'ERR_QUOTA_UNKNOWN',
      cause: expect.objectContaining({ message: 'the billing service is down' }),
    })
  })

  it('is not asked for files that belong to no single tenant', async () => {
    const asked: string[] = []
    const { storage } = await home({
      quota: tenant => {
        asked.push(tenant)
        return 1
      },
    })
    await runAsSystem('a file for all', () =>
      storeFile(storage, Buffer.from('hello'), { disk: 'shared', folder: 'terms' }, { name: 'a.txt' }),
    )
    expect(asked).toEqual([])
  })

  it('is told to who may not have more, and to the event', async () => {
    const heard: unknown[] = []
    const stop = onStorageEvent('quota', event => heard.push(event))
    const place = await home({ quota: '2kb' })
    await upload(place, ORDER_RULES, { body: 'x'.repeat(500) })
    const refused = upload(place, ORDER_RULES, { body: kilobytes(2) })
    await expect(refused).rejects.toThrow('There is no room for this file: 1.51 KB of 2 KB are left.')
    stop()
    expect(heard).toEqual([{ tenant: 'acme', asked: 2048, used: 500, limit: 2048 }])
  })

  it('leaves nothing of a refused upload', async () => {
    const memory = new MemoryDriver()
    const place = await home({ quota: 1, storage: memoryStorage({ memory }) } as object)
    await expect(upload(place, ORDER_RULES)).rejects.toMatchObject(exceeded)
    expect(await ledgerOf(place.dataSource)).toEqual([])
    for await (const { key } of memory.list('')) expect(key).toBe(undefined)
  })
})

describe('usage', () => {
  it('tells a tenant nothing of another one', async () => {
    const home = await house(async () => sqliteOptions(), [Order])
    await upload(home, ORDER_RULES, { tenant: 'acme', body: 'hello' })
    const asAcme = () => runWithTenant('acme', () => usage(home.dataSource))
    expect(await asAcme()).toMatchObject({ tenant: 'acme', used: 5 })
    const asOther = runWithTenant('other', () => usage(home.dataSource, 'acme'))
    await expect(asOther).rejects.toMatchObject({ code: 'ERR_TENANT_MISMATCH' })
    expect(await runAsSystem('the bill', () => usage(home.dataSource, 'acme'))).toMatchObject({ used: 5 })
    await expect(usage(home.dataSource, randomUUID().repeat(3))).rejects.toMatchObject({
      code: 'ERR_TENANT_INVALID',
    })
    await expect(usage(dataSourceOf(sqliteOptions()), 'acme')).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})

/** So large, and so late, that its length is not known when it begins to be stored. */
async function* halves(size: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(size / 2, 'b')
  await new Promise(resolve => setTimeout(resolve, 50))
  yield Buffer.alloc(size / 2, 'b')
}
