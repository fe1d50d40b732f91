import { existsSync } from 'node:fs'
import type { DataSource, DataSourceOptions } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { createStorage } from '../../src/core/storage.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { withFiles } from '../../src/typeorm/index.js'
import { sqliteOptions } from '../support/sqlite.js'
import { dataSourceOf, house, ledgerOf, memoryStorage, states, upload } from './databases.js'
import { Contract, Folder, Media, ORDER_RULES, Order, Picture, TicketSchema, Video } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

const NOT_READY = { code: 'ERR_LEDGER_NOT_READY', status: 503 }

describeOnDatabases('withFiles', fresh => {
  it('returns the same instance, and refuses uploads before initialize and after destroy', async () => {
    const storage = memoryStorage()
    const dataSource = dataSourceOf({ ...(await fresh()), entities: [Order] } as DataSourceOptions)
    expect(withFiles(storage, dataSource)).toBe(dataSource)
    await expect(upload({ storage }, ORDER_RULES)).rejects.toMatchObject(NOT_READY)
    expect(await dataSource.initialize()).toBe(dataSource)
    await upload({ storage }, ORDER_RULES)
    await dataSource.destroy()
    await expect(upload({ storage }, ORDER_RULES)).rejects.toMatchObject(NOT_READY)
  })

  it('goes on working after destroy and initialize', async () => {
    const home = await house(fresh, [Order])
    const { dataSource } = home
    const file = await upload(home, ORDER_RULES)
    for (let round = 0; round < 3; round++) {
      await dataSource.destroy()
      await dataSource.initialize()
    }
    const orders = dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file })
    const order = await orders.findOneByOrFail({ id })
    expect(runWithTenant('acme', () => order.file?.url)).toContain('/files/memory/')
    order.file = await upload(home, ORDER_RULES)
    home.log.writes()
    await orders.save(order)
    expect(home.log.writes()).toHaveLength(3) // claim, row, outbox: no hook is there twice
    expect(await states(dataSource)).toEqual({ attached: 1, delete: 1 })
  })

  it('keeps two storages and two DataSources with one entity class apart', async () => {
    const homes = [await house(fresh, [Order]), await house(fresh, [Order])]
    const urls: (string | undefined)[] = []
    for (const home of homes) {
      const orders = home.dataSource.getRepository(Order)
      await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
      const order = await orders.findOneByOrFail({ title: 'x' })
      urls.push(runWithTenant('acme', () => order.file?.url))
    }
    homes.forEach(({ storage }, index) => {
      const tails = urls.map(url => url?.slice('/files'.length) ?? '')
      expect(storage.verifyUrl(tails[index] ?? '')).toMatchObject({ visibility: 'private' })
      expect(() => storage.verifyUrl(tails[1 - index] ?? '')).toThrow()
    })
    const stolen = await homes[0]!.dataSource.getRepository(Order).findOneByOrFail({ title: 'x' })
    const other = homes[1]!.dataSource.getRepository(Order)
    await expect(other.save({ file: stolen.file })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    expect(await states(homes[1]!.dataSource)).toEqual({ attached: 1 })
  })

  it('refuses a second DataSource of one storage, unless a resolver chooses', async () => {
    const home = await house(fresh, [Order])
    const second = dataSourceOf({ ...(await fresh()), entities: [Order] } as DataSourceOptions)
    expect(() => withFiles(home.storage, second)).toThrow(
      expect.objectContaining({ code: 'ERR_LEDGER_AMBIGUOUS' }),
    )
    expect(second.options.entities).toEqual([Order])

    const storage = createStorage({
      secret: 'a secret of sixteen',
      backends: { memory: new MemoryDriver() },
      ledgerOf: tenant => (tenant === 'acme' ? 'one' : 'two'),
    })
    const one = await house(fresh, [Order], { storage, ledger: 'one' })
    const two = await house(fresh, [Order], { storage, ledger: 'two' })
    await upload({ storage }, ORDER_RULES, { tenant: 'acme' })
    await upload({ storage }, ORDER_RULES, { tenant: 'umbrella' })
    expect(await ledgerOf(one.dataSource)).toMatchObject([{ tenant: 'acme' }])
    expect(await ledgerOf(two.dataSource)).toMatchObject([{ tenant: 'umbrella' }])
    const stray = await upload({ storage }, ORDER_RULES, { tenant: 'acme' })
    await expect(two.dataSource.getRepository(Order).save({ file: stray })).rejects.toMatchObject({
      code: 'ERR_FILE_STALE',
    })
  })

  it('refuses a DataSource that is bound or initialized already', async () => {
    const home = await house(fresh, [Order])
    const config = expect.objectContaining({ code: 'ERR_CONFIG' })
    expect(() => withFiles(memoryStorage(), home.dataSource)).toThrow(config)
    await home.dataSource.destroy()
    expect(() => withFiles(memoryStorage(), home.dataSource)).toThrow(config)
  })

  it('leaves lists and maps of entities as the application gave them', async () => {
    const list = [Order]
    const map = { Order, Contract }
    const first = await house(fresh, list)
    const second = await house(fresh, map)
    expect([list, map]).toEqual([[Order], { Order, Contract }])
    for (const home of [first, second]) {
      await home.dataSource.getRepository(Order).save({ title: 'x', file: await upload(home, ORDER_RULES) })
      expect(await states(home.dataSource)).toEqual({ attached: 1 })
    }
  })

  it('adds a table that a second synchronize leaves alone', async () => {
    const { dataSource } = await house(fresh, [Order, Contract, Folder, Media, Picture, Video, TicketSchema])
    expect((await dataSource.driver.createSchemaBuilder().log()).upQueries).toEqual([])
  })

  it('puts the table where it is told', async () => {
    const home = await house(fresh, [Order], { table: { name: 'uploads' } })
    await home.dataSource.getRepository(Order).save({ title: 'x', file: await upload(home, ORDER_RULES) })
    expect(await ledgerOf(home.dataSource, 'uploads')).toMatchObject([{ state: 'attached' }])
    expect((await home.dataSource.driver.createSchemaBuilder().log()).upQueries).toEqual([])
  })

  it('compares keys byte by byte', async () => {
    const { dataSource } = await house(fresh, [Order])
    const insert = (key: string) =>
      dataSource.query(
        `INSERT INTO file_ledger (backend, object_key, disk, state, attempts, created_at, updated_at)
         VALUES ('memory', '${key}', 'media', 'pending', 0, 1, 1)`,
      )
    for (const key of ['a', 'B', 'A', 'b', 'ä', 'a ']) await insert(key)
    const rows = await dataSource.query('SELECT object_key FROM file_ledger ORDER BY object_key')
    expect(rows.map((row: { object_key: unknown }) => String(row.object_key))).toEqual([
      'A',
      'B',
      'a',
      'a ',
      'b',
      'ä',
    ])
  })

  it('says what to do when the table is missing, and stores nothing', async () => {
    const home = await house(fresh, [Order])
    const file = await upload(home, ORDER_RULES)
    await home.dataSource.query('DROP TABLE file_ledger')
    const missing = { code: 'ERR_CONFIG', message: expect.stringContaining('migration') }
    await expect(upload(home, ORDER_RULES)).rejects.toMatchObject(missing)
    await expect(home.dataSource.getRepository(Order).save({ file })).rejects.toMatchObject(missing)
    expect(await home.dataSource.getRepository(Order).count()).toBe(0)
  })

  it('leaves nothing open when initialize fails', async () => {
    const driver = new MemoryDriver()
    let isDown = true
    const ready = async () => {
      if (isDown) throw new Error('no credentials')
    }
    const storage = memoryStorage({ memory: Object.assign(driver, { ready }) })
    const options = { ...(await fresh()), entities: [Order] } as DataSourceOptions
    const dataSource = withFiles(storage, dataSourceOf(options))
    await expect(dataSource.initialize()).rejects.toThrow('no credentials')
    expect(dataSource.isInitialized).toBe(false)
    isDown = false
    await dataSource.initialize()
    await upload({ storage }, ORDER_RULES)
  })

  it('waits for the storage, so that URLs can be read at once', async () => {
    let loaded = 0
    const storage = createStorage({
      secret: 'a secret of sixteen',
      backends: {
        memory: async () => {
          loaded++
          return new MemoryDriver()
        },
      },
    })
    const home = await house(fresh, [Order], { storage })
    expect(loaded).toBe(1)
    const file = await upload(home, ORDER_RULES)
    expect(runWithTenant('acme', () => file.url)).toContain('/files/')
  })

  it('sees to the files of a query runner that is older than the connection', async () => {
    const storage = memoryStorage()
    const options = { ...(await fresh()), entities: [Order] } as DataSourceOptions
    if (options.type !== 'postgres' && options.type !== 'mariadb') return // SQLite has its first one with the connection
    const dataSource = withFiles(storage, dataSourceOf(options))
    const runner = dataSource.createQueryRunner()
    await dataSource.initialize()
    const { id } = await runner.manager.save(Order, {
      title: 'x',
      file: await upload({ storage }, ORDER_RULES),
    })
    await runner.release()
    expect((await dataSource.getRepository(Order).findOneByOrFail({ id })).file?.size).toBe(5)
    expect(await states(dataSource)).toEqual({ attached: 1 })
  })
})

describe('withFiles', () => {
  it('is optional: a storage that was never given to it has the null ledger', async () => {
    const file = await upload({ storage: memoryStorage() }, ORDER_RULES)
    expect(file).toMatchObject({ tenant: 'acme', size: 5 })
  })

  it('refuses a database that the ledger cannot live in, and a lease that is none', () => {
    const mssql = { options: { type: 'mssql' }, isInitialized: false } as unknown as DataSource
    expect(() => withFiles(memoryStorage(), mssql)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    const sqlite = dataSourceOf(sqliteOptions())
    const config = expect.objectContaining({ code: 'ERR_CONFIG' })
    expect(() => withFiles(memoryStorage(), sqlite, { lease: 0 })).toThrow(config)
    expect(existsSync(sqliteOptions().database)).toBe(false)
  })

  it('keeps two DataSources apart that share one object of options', async () => {
    const options = { ...sqliteOptions(), database: ':memory:', entities: [Order], synchronize: true }
    const [first, second] = [memoryStorage(), memoryStorage()]
    const one = withFiles(first, dataSourceOf(options))
    const two = withFiles(second, dataSourceOf(options))
    await one.initialize()
    await two.initialize()
    await one.getRepository(Order).save({ title: 'x', file: await upload({ storage: first }, ORDER_RULES) })
    await two.getRepository(Order).save({ title: 'x', file: await upload({ storage: second }, ORDER_RULES) })
    expect(await states(one)).toEqual({ attached: 1 })
    expect(await states(two)).toEqual({ attached: 1 })
  })
})
