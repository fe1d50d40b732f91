import { Column, type DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { adoptFiles, migrateFiles, pruneFiles, rollbackFiles } from '../../src/migrate/index.js'
import { ChaosDriver } from '../../src/testing/index.js'
import { FileColumn, FilesColumn, reapOnce, rulesOf, withFiles } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { dataSourceOf, house, memoryStorage, upload } from '../typeorm/databases.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { keyOf, reapLater } from './earlier-runner.js'
import { insertOld, oldTown, Paper, putOld } from './old-town.js'
import { HeldDriver, Parcel, readText, textsOf, timePasses, town } from './town.js'

@Entity('shelf')
class Shelf {
  @PrimaryGeneratedColumn()
  id!: number

  @FilesColumn({ folder: 'shelf', maxFiles: 2 })
  files!: readonly StoredFile[] | null
}

/** The same table, after the application has changed its mind. */
@Entity('shelf')
class ShortShelf {
  @PrimaryGeneratedColumn()
  id!: number

  @FilesColumn({ folder: 'shelf', maxFiles: 1 })
  files!: readonly StoredFile[] | null
}

/** The table of papers, when nobody remembers what its old paths meant. */
@Entity('paper')
class NewPaper {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar' })
  owner!: string

  @FileColumn({ folder: 'papers' })
  file!: StoredFile | null
}

/** A second row with the same text, as SQL makes it. */
function double(dataSource: DataSource): Promise<unknown> {
  return dataSource.query(
    'INSERT INTO parcel (owner, version, changed, file) SELECT owner, version, changed, file FROM parcel',
  )
}

describeOnSqliteFirst('A move back to where files were', fresh => {
  it('leaves the old bytes when it fails, so that they can be pointed to again', async () => {
    const rules = [{ method: 'get', fault: { kind: 'error', code: 'ERR_BACKEND_DENIED' } }] as const
    const denying = new ChaosDriver(new MemoryDriver(), { rules })
    const home = await town(fresh, 1, { old: new MemoryDriver(), new: denying })
    const { backends, dataSource } = home
    const texts = await textsOf(dataSource)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'old' })
    expect(report).toMatchObject({ failed: 1, failures: [{ code: 'ERR_BACKEND_DENIED' }] })
    await reapLater(home)
    expect(await keysIn(backends.old.list(''))).toEqual([keyOf(texts[0])])
    expect(await rollbackFiles({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({ restored: 1 })
    expect(await textsOf(dataSource)).toEqual(texts)
  })

  it('points to the old bytes again where the copy has vanished', async () => {
    const { backends, dataSource, parcels } = await town(fresh, 1)
    const texts = await textsOf(dataSource)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    await backends.new.delete(keyOf(texts[0]))
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'old' })).toMatchObject({
      ...{ moved: 1, failed: 0 },
    })
    const { file } = await parcels.findOneByOrFail({})
    expect(file?.backend).toBe('old')
    expect(await readText(file)).toBe('parcel 0')
  })

  it('takes no bytes from a row that shares the old file, when its brother is replaced meanwhile', async () => {
    const held = new HeldDriver()
    const home = await town(fresh, 1, { old: new MemoryDriver(), new: held })
    const { storage, dataSource, parcels } = home
    await double(dataSource)
    const move = (to: string) => migrateFiles({ dataSource, entity: Parcel, to, where: { id: 1 } })
    await move('new')
    const moving = move('old')
    await held.asked
    const first = await parcels.findOneByOrFail({ id: 1 })
    first.file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: 'replaced' })
    await parcels.save(first)
    held.letGo()
    expect(await moving).toMatchObject({ moved: 0, skipped: 1 })
    await reapLater(home)
    const { file } = await parcels.findOneByOrFail({ id: 2 })
    expect(await readText(file)).toBe('parcel 0')
  })
})

describeOnSqliteFirst('Pruning', fresh => {
  it('leaves the copy of a move that was taken back while a row names it', async () => {
    const { storage, dataSource, parcels } = await town(fresh, 1)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    await double(dataSource)
    await rollbackFiles({ dataSource, entity: Parcel, to: 'new' })
    await timePasses(dataSource, 31)
    const report = await pruneFiles({ dataSource, entity: Parcel, to: 'new', keep: 30 })
    expect(report).toMatchObject({ pruned: 0, skipped: 1, failed: 0 })
    await reapOnce(storage)
    for (const { file } of await parcels.find()) expect(await readText(file)).toBe('parcel 0')
  })
})

describeOnSqliteFirst('What lies at the new place of a file already', fresh => {
  it('stays when the move is ended before its turn', async () => {
    const held = new HeldDriver()
    const home = await town(fresh, 2, { old: held, new: new MemoryDriver() })
    const { backends, dataSource } = home
    const keys = (await textsOf(dataSource)).map(keyOf)
    for (const [n, key] of keys.entries())
      await backends.new.put(key, Buffer.from(`parcel ${n}`), { contentType: 'text/plain' })
    const end = new AbortController()
    const moving = migrateFiles({ dataSource, entity: Parcel, to: 'new', concurrency: 1, signal: end.signal })
    await held.asked
    end.abort()
    held.letGo()
    expect(await moving).toMatchObject({ failed: 0, aborted: true })
    await reapLater(home)
    expect(await keysIn(backends.new.list(''))).toContain(keys[1])
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({ failed: 0 })
  })
})

describeOnSqliteFirst('A list that is longer than its column takes by now', fresh => {
  it('moves as all others do', async () => {
    const storage = memoryStorage({ old: new MemoryDriver(), new: new MemoryDriver() })
    const { dataSource } = await house(fresh, [Shelf, ShortShelf], { storage })
    const shelves = dataSource.getRepository(Shelf)
    const rules = rulesOf(Shelf, 'files')
    const files = [await upload({ storage }, rules), await upload({ storage }, rules)]
    await shelves.save(shelves.create({ files }))
    expect(await migrateFiles({ dataSource, entity: ShortShelf, to: 'new' })).toMatchObject({
      ...{ moved: 2, failed: 0 },
    })
    const [shelf] = await shelves.find()
    expect(shelf?.files?.map(({ backend }) => backend)).toEqual(['new', 'new'])
  })
})

describeOnSqliteFirst('A column whose old texts nobody reads any more', fresh => {
  it('is reported row by row by the way back and by pruning', async () => {
    const paths = ['uploads/acme/a.txt', 'uploads/acme/b.txt']
    const { dataSource: before, backends } = await oldTown(fresh, paths)
    for (const path of paths) await putOld(backends, path, path)
    await migrateFiles({ dataSource: before, entity: Paper, to: 'new' })
    await before.destroy()
    const changed = { ...before.options, entities: [NewPaper], subscribers: [], synchronize: false }
    const storage = memoryStorage({ new: backends.new, old: backends.old })
    const dataSource = withFiles(storage, dataSourceOf(changed as DataSourceOptions), { reap: 'later' })
    await dataSource.initialize()
    const back = await rollbackFiles({ dataSource, entity: NewPaper, to: 'new' })
    expect(back).toMatchObject({ restored: 0, failed: 2, failures: [{ code: 'ERR_BACKEND_UNKNOWN' }, {}] })
    await timePasses(dataSource, 31)
    const pruned = await pruneFiles({ dataSource, entity: NewPaper, to: 'new', keep: 30 })
    expect(pruned).toMatchObject({ pruned: 0, failed: 2, failures: [{ code: 'ERR_BACKEND_UNKNOWN' }, {}] })
  })
})

describeOnSqliteFirst('A row that was adopted and moved', fresh => {
  it('does not get its old bytes again once another row has adopted them', async () => {
    const shared = 'uploads/acme/terms.txt'
    const { dataSource, backends, papers, storage } = await oldTown(fresh, [shared])
    await putOld(backends, shared, 'terms')
    await adoptFiles({ dataSource, entity: Paper })
    await migrateFiles({ dataSource, entity: Paper, to: 'new' })
    await insertOld(dataSource, [shared])
    expect(await adoptFiles({ dataSource, entity: Paper })).toMatchObject({ adopted: 1, copied: 0 })
    const back = await rollbackFiles({ dataSource, entity: Paper, to: 'new' })
    expect(back).toMatchObject({ restored: 0, failures: [{ code: 'ERR_FILE_STALE' }] })
    const [first, second] = await papers.find({ order: { id: 'ASC' } })
    expect([await readText(first?.file), await readText(second?.file)]).toEqual(['terms', 'terms'])
    if (first === undefined) throw new Error('no papers')
    await papers.remove(first)
    await reapOnce(storage)
    expect(await readText(second?.file)).toBe('terms')
  })
})
