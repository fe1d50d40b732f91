import { ChildEntity, Entity, PrimaryGeneratedColumn, TableInheritance } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { everyFileColumn, filePlaces, migrateFiles } from '../../src/migrate/index.js'
import { FileColumn, FilesColumn, rulesOf } from '../../src/typeorm/index.js'
import { house, memoryStorage, upload } from '../typeorm/databases.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { Parcel, town } from './town.js'

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Sheet {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'sheets' })
  file!: StoredFile | null
}

@ChildEntity()
class Bill extends Sheet {
  @FileColumn({ folder: 'receipts' })
  receipt!: StoredFile | null
}

@ChildEntity()
class Memo extends Sheet {}

/** A second entity over the table of `Parcel`. */
@Entity('parcel')
class SameParcel {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'parcels' })
  file!: StoredFile | null
}

@Entity('scrap')
class Scrap {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({
    folder: 'scraps',
    legacy: value =>
      value.startsWith('/') ? undefined : { tenant: 'acme', key: value, name: 'old', backend: 'old' },
  })
  file!: StoredFile | null

  @FilesColumn({ folder: 'pages', maxFiles: 5 })
  pages!: readonly StoredFile[] | null
}

describeOnSqliteFirst('filePlaces', fresh => {
  it('counts rows and bytes by entity, property, tenant and backend', async () => {
    const { dataSource } = await town(fresh, 5)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'acme', where: { id: 1 } })
    const parcel = { entity: 'Parcel', property: 'file', plain: 0 }
    expect(await filePlaces({ dataSource })).toEqual({
      places: [
        { ...parcel, tenant: 'acme', backend: 'new', rows: 1, files: 1, bytes: 8 },
        { ...parcel, tenant: 'acme', backend: 'old', rows: 2, files: 2, bytes: 16 },
        { ...parcel, tenant: 'globex', backend: 'old', rows: 2, files: 2, bytes: 16 },
      ],
      unreadable: [],
    })
    const ofOne = await filePlaces({ dataSource, entity: 'Parcel', property: 'file', tenant: 'globex' })
    expect(ofOne.places).toMatchObject([{ tenant: 'globex', rows: 2 }])
  })

  it('counts lists, old paths, backends that are gone, and text that names no file', async () => {
    const storage = memoryStorage({ new: new MemoryDriver(), old: new MemoryDriver() })
    const { dataSource } = await house(fresh, [Scrap], { storage })
    const scraps = dataSource.getRepository(Scrap)
    const page = () => upload({ storage }, rulesOf(Scrap, 'pages'), { body: 'a page' })
    await scraps.save(scraps.create({ file: null, pages: [await page(), await page()] }))
    const gone = { v: 1, disk: 'media', backend: 'tape', tenant: 'acme', key: 'a.txt', name: 'a' }
    const known = { ...gone, size: 7, type: 'text/plain', sha256: null }
    const texts = [
      '2019/a.txt',
      '2019/b.txt',
      '/etc/passwd',
      ' ',
      JSON.stringify(known),
      JSON.stringify({ ...known, disk: 'moon' }),
    ]
    for (const text of texts) await dataSource.query(`INSERT INTO scrap (file) VALUES ('${text}')`)
    const acme = { entity: 'Scrap', tenant: 'acme' }
    expect(await filePlaces({ dataSource })).toEqual({
      places: [
        { ...acme, property: 'file', backend: 'old', rows: 2, files: 2, bytes: 0, plain: 2 },
        { ...acme, property: 'file', backend: 'tape', rows: 1, files: 1, bytes: 7, plain: 0 },
        { ...acme, property: 'pages', backend: 'new', rows: 1, files: 2, bytes: 12, plain: 0 },
      ],
      unreadable: [{ entity: 'Scrap', property: 'file', rows: 2 }],
    })
  })

  it('counts each row of a shared table once, and of a child only its own', async () => {
    const storage = memoryStorage({ old: new MemoryDriver(), new: new MemoryDriver() })
    const { dataSource } = await house(fresh, [Bill, Memo, Sheet], { storage })
    const file = () => upload({ storage }, rulesOf(Sheet, 'file'))
    const receipt = await upload({ storage }, rulesOf(Bill, 'receipt'))
    await dataSource.manager.save(Object.assign(new Bill(), { file: await file(), receipt }))
    for (let n = 0; n < 2; n++)
      await dataSource.manager.save(Object.assign(new Memo(), { file: await file() }))
    const countsOf = async (entity?: 'Bill' | 'Memo') => {
      const { places } = await filePlaces({ dataSource, entity })
      return places.map(({ property, rows }) => [property, rows])
    }
    expect(await countsOf()).toEqual([
      ['file', 3],
      ['receipt', 1],
    ])
    expect(await countsOf('Bill')).toEqual([
      ['file', 1],
      ['receipt', 1],
    ])
    expect(await countsOf('Memo')).toEqual([['file', 2]])
    const moved = []
    for (const choice of everyFileColumn(dataSource)) moved.push(await migrateFiles({ ...choice, to: 'new' }))
    expect(moved.map(report => report.moved)).toEqual([4])
  })

  it('reads a table once that two entities share', async () => {
    const { dataSource } = await house(fresh, [Parcel, SameParcel])
    expect(everyFileColumn(dataSource).map(({ entity }) => entity)).toEqual([Parcel])
  })

  it('refuses what it does not know', async () => {
    const { dataSource } = await house(fresh, [Parcel])
    const code = 'ERR_CONFIG'
    await expect(filePlaces({ dataSource, entity: 'Nothing' })).rejects.toMatchObject({ code })
    await expect(filePlaces({ dataSource, entity: Scrap })).rejects.toMatchObject({ code })
    await expect(filePlaces({ dataSource, entity: Parcel, property: 'owner' })).rejects.toMatchObject({
      code,
    })
    await expect(filePlaces({ dataSource, property: 'file' })).rejects.toMatchObject({ code })
    await expect(filePlaces({ dataSource, signal: AbortSignal.abort() })).resolves.toEqual({
      places: [],
      unreadable: [],
    })
  })
})
