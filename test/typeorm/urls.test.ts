import 'reflect-metadata'
import { instanceToPlain, Transform } from 'class-transformer'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describe, expect, it } from 'vitest'
import {
  createStorage,
  onStorageEvent,
  runWithTenant,
  type StoredFile,
  type UrlOptions,
} from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { FileColumn, fileToPlain, rulesOf } from '../../src/typeorm/index.js'
import { house, upload } from './databases.js'
import { describeOnSqliteFirst } from './on-databases.js'

@Entity()
class Invoice {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'invoices', resolve: 'load', expiresIn: 120 })
  pdf!: StoredFile | null

  @FileColumn({ folder: 'scans' })
  scan!: StoredFile | null
}

@Entity()
class Report {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'reports' })
  @Transform(fileToPlain, { toPlainOnly: true })
  file!: StoredFile | null
}

const asAcme = <T>(fn: () => T) => runWithTenant('acme', fn)
const storageWith = (urls: UrlOptions) =>
  createStorage({ secret: 'a secret of the tests', backends: { memory: new MemoryDriver() }, urls })
const expiresOf = (url: string) => Number(new URL(url, 'http://localhost').searchParams.get('expires'))

describeOnSqliteFirst('the URL of a file column', fresh => {
  it('that resolves on load lies on the loaded file, for spreads, and is never written', async () => {
    const home = await house(fresh, [Invoice])
    const invoices = home.dataSource.getRepository(Invoice)
    const pdf = await upload(home, rulesOf(Invoice, 'pdf'))
    const scan = await upload(home, rulesOf(Invoice, 'scan'))
    const { id } = await asAcme(() => invoices.save(invoices.create({ pdf, scan })))

    const loaded = await asAcme(() => invoices.findOneByOrFail({ id }))
    expect(Object.entries(loaded.pdf!).at(-1)?.join(' ')).toMatch(
      /^url \/files\/memory\/media\/acme\/invoices\//,
    )
    expect('url' in { ...loaded.scan }).toBe(false)

    home.log.writes()
    await asAcme(() => invoices.save(loaded))
    expect(home.log.writes()).toEqual([])
    const [row] = await home.dataSource.query('SELECT pdf FROM invoice')
    expect(row.pdf).not.toMatch(/url|signature/)
  })

  it('is not there where a row is loaded outside of a tenant, and the row loads all the same', async () => {
    const home = await house(fresh, [Invoice])
    const invoices = home.dataSource.getRepository(Invoice)
    const pdf = await upload(home, rulesOf(Invoice, 'pdf'))
    await asAcme(() => invoices.save(invoices.create({ pdf })))
    const loaded = await invoices.findOneByOrFail({})
    expect('url' in { ...loaded.pdf }).toBe(false)
    expect(JSON.parse(JSON.stringify(loaded)).pdf.url).toBeNull()
    expect(asAcme(() => loaded.pdf?.url)).toContain('/media/acme/invoices/')
  })

  it('lives as long as its column says, fresh from the upload and loaded', async () => {
    const home = await house(fresh, [Invoice])
    const invoices = home.dataSource.getRepository(Invoice)
    const pdf = await upload(home, rulesOf(Invoice, 'pdf'))
    await asAcme(() => invoices.save(invoices.create({ pdf })))
    const loaded = await asAcme(() => invoices.findOneByOrFail({}))
    for (const file of [pdf, loaded.pdf]) {
      const left = expiresOf(asAcme(() => file?.url ?? '')) - Date.now() / 1000
      expect(left).toBeGreaterThan(59)
      expect(left).toBeLessThanOrEqual(120)
    }
  })

  it('follows a rule that names its field', async () => {
    const storage = storageWith({ rules: [{ fields: ['Invoice.scan'], expiresIn: 30 }] })
    const home = await house(fresh, [Invoice], { storage })
    const invoices = home.dataSource.getRepository(Invoice)
    const scan = await upload(home, rulesOf(Invoice, 'scan'))
    await asAcme(() => invoices.save(invoices.create({ scan })))
    const loaded = await asAcme(() => invoices.findOneByOrFail({}))
    for (const file of [scan, loaded.scan])
      expect(expiresOf(asAcme(() => file?.url ?? '')) - Date.now() / 1000).toBeLessThanOrEqual(30)
  })

  it.each(['Invoice.pdff', 'Invoice.id'])(
    'is not left to chance by a rule that names %s, which is no file column',
    async field => {
      const storage = storageWith({ rules: [{ fields: [field], expiresIn: 30 }] })
      await expect(house(fresh, [Invoice], { storage })).rejects.toMatchObject({
        code: 'ERR_CONFIG',
        message: expect.stringContaining(field),
      })
    },
  )

  it('may have a rule for an entity of another DataSource, with a word of warning', async () => {
    const storage = storageWith({ rules: [{ fields: ['Elsewhere.file'], expiresIn: 30 }] })
    const heard: string[] = []
    const stop = onStorageEvent('warning', ({ code }) => void heard.push(code))
    await house(fresh, [Invoice], { storage }).finally(stop)
    expect(heard).toEqual(['URL_RULE_UNUSED'])
  })

  it('is what class-transformer shows of a file, and not its key', async () => {
    const home = await house(fresh, [Report])
    const reports = home.dataSource.getRepository(Report)
    const file = await upload(home, rulesOf(Report, 'file'))
    await asAcme(() => reports.save(reports.create({ file })))
    const loaded = await asAcme(() => reports.findOneByOrFail({}))
    const plain = asAcme(() => instanceToPlain(loaded))
    expect(plain).toEqual({
      id: 1,
      file: { name: 'a.txt', size: 5, type: 'text/plain', url: asAcme(() => loaded.file?.url) },
    })
    expect(instanceToPlain(Object.assign(new Report(), { id: 2, file: null }))).toEqual({ id: 2, file: null })
  })
})

describe('fileToPlain', () => {
  it('leaves what is no file as it is, and takes lists', async () => {
    const storage = storageWith({})
    const file = await upload({ storage }, { folder: 'a' })
    const json = asAcme(() => file.toJSON())
    expect(asAcme(() => fileToPlain({ value: [file, null, 'text'] }))).toEqual([json, null, 'text'])
    expect(fileToPlain({ value: undefined })).toBeUndefined()
  })
})
