import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles, planMigration } from '../../src/migrate/index.js'
import { ChaosDriver } from '../../src/testing/index.js'
import { FilesColumn, rulesOf } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { house, memoryStorage, upload } from '../typeorm/databases.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { counted } from './counted.js'
import { keyOf, reapLater, runnerDies } from './earlier-runner.js'
import { oldTown, Paper, putOld } from './old-town.js'
import { HeldDriver, linesOf, Parcel, readText, textsOf, town } from './town.js'

@Entity('shelf')
class Shelf {
  @PrimaryGeneratedColumn()
  id!: number

  @FilesColumn({ folder: 'shelf', maxFiles: 3 })
  files!: readonly StoredFile[] | null
}

type Town = Awaited<ReturnType<typeof town>>

const plain = { contentType: 'text/plain' }
const move = ({ dataSource }: Pick<Town, 'dataSource'>) =>
  migrateFiles({ dataSource, entity: Parcel, to: 'new' })
const put = (home: Town, side: 'old' | 'new', key: string, body: string) =>
  home.backends[side].put(key, Buffer.from(body), plain)
const keysOnNew = ({ backends }: Pick<Town, 'backends'>) => keysIn(backends.new.list(''))

describeOnSqliteFirst('A copy that a killed runner made', fresh => {
  /** One row, whose copy is made and not switched. */
  async function copied() {
    const home = await town(fresh, 1)
    const [text = ''] = await textsOf(home.dataSource)
    await runnerDies('staged', home, Parcel)
    await put(home, 'new', keyOf(text), 'parcel 0')
    return { home, text, key: keyOf(text) }
  }

  it.each(['replaced', 'removed'])('is deleted by the next run when its row was %s', async what => {
    const { home, key } = await copied()
    const { storage, dataSource, parcels, backends } = home
    const parcel = await parcels.findOneByOrFail({})
    if (what === 'removed') await parcels.remove(parcel)
    else {
      parcel.file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: 'another' })
      await parcels.save(parcel)
    }
    await backends.old.delete(key)
    expect(await move(home)).toMatchObject({ moved: 0, skipped: 1, failed: 0 })
    await reapLater(home)
    expect(await keysOnNew(home)).toEqual([])
    expect(await linesOf(dataSource)).not.toHaveProperty('new attached')
  })

  it('becomes that of its row when the source has vanished', async () => {
    const { home, key } = await copied()
    await home.backends.old.delete(key)
    expect(await move(home)).toMatchObject({ moved: 1, failed: 0 })
    await reapLater(home)
    const { file } = await home.parcels.findOneByOrFail({})
    expect(file?.backend).toBe('new')
    expect(await readText(file)).toBe('parcel 0')
    expect(await linesOf(home.dataSource)).toMatchObject({ 'new attached': 1 })
  })

  it('stays when the source has vanished and its row, whose text was edited, still names that', async () => {
    const { home, key } = await copied()
    await home.backends.old.delete(key)
    await home.dataSource.query(`UPDATE parcel SET file = REPLACE(file, '"v":1', '"v": 1')`)
    expect(await move(home)).toMatchObject({ moved: 0, skipped: 1, failed: 0 })
    await reapLater(home)
    expect(await keysOnNew(home)).toEqual([key])
    expect(await move(home)).toMatchObject({ moved: 1, failed: 0 })
  })

  it('stays when its row was pointed to it by hand', async () => {
    const { home, key } = await copied()
    await home.dataSource.query(`UPDATE parcel SET file = REPLACE(file, '"old"', '"new"')`)
    expect(await move(home)).toMatchObject({ skipped: 1, failed: 0 })
    await reapLater(home)
    expect(await keysOnNew(home)).toEqual([key])
  })

  it('is found by the next run when its answer got lost and the source has vanished', async () => {
    const rules = [{ method: 'put', fault: { kind: 'lose' } }] as const
    const chaos = new ChaosDriver(new MemoryDriver(), { rules })
    const home = await town(fresh, 1, { old: new MemoryDriver(), new: chaos })
    const [text] = await textsOf(home.dataSource)
    expect(await move(home)).toMatchObject({ failures: [{ code: 'ERR_BACKEND_TIMEOUT' }] })
    chaos.calm()
    await home.backends.old.delete(keyOf(text))
    expect(await move(home)).toMatchObject({ moved: 1, failed: 0 })
  })
})

describeOnSqliteFirst('A copy of a small file', fresh => {
  it('is never made of other bytes than the row tells of, so that no kill can leave one', async () => {
    const { driver, calls } = counted(new MemoryDriver())
    const home = await town(fresh, 1, { old: new MemoryDriver(), new: driver })
    const [text] = await textsOf(home.dataSource)
    await put(home, 'old', keyOf(text), 'parcel X')
    expect(await move(home)).toMatchObject({ failures: [{ code: 'ERR_FILE_CHANGED' }] })
    expect(calls.get('put')).toBeUndefined()
  })
})

describeOnSqliteFirst("A stranger's object at the new place of a file", fresh => {
  /** One row, and how far a runner had come that was killed. */
  async function strange(when: 'never' | 'taken' | 'staged', body: string) {
    const home = await town(fresh, 1)
    const [text = ''] = await textsOf(home.dataSource)
    if (when !== 'never') await runnerDies(when, home, Parcel)
    await put(home, 'new', keyOf(text), body)
    return { home, text, key: keyOf(text) }
  }

  /** It lies there still when all leases are over. */
  async function expectItStays({ home, key }: { home: Town; key: string }, body: string) {
    await reapLater(home)
    await reapLater(home)
    expect(await keysOnNew(home)).toEqual([key])
    const { body: stream } = await home.backends.new.get(key)
    expect(String(Buffer.concat(await stream.toArray()))).toBe(body)
    expect(await linesOf(home.dataSource)).not.toHaveProperty('new pending')
  }

  const moments = ['never', 'taken', 'staged'] as const

  it.each(moments)('stays when the source has vanished (a runner was killed: %s)', async when => {
    for (const body of ['parcel X', 'much longer than a parcel']) {
      const place = await strange(when, body)
      await place.home.backends.old.delete(place.key)
      expect(await move(place.home)).toMatchObject({ moved: 0, failures: [{ code: 'ERR_FILE_NOT_FOUND' }] })
      await expectItStays(place, body)
    }
  })

  it.each(moments)('stays when the source is damaged (a runner was killed: %s)', async when => {
    for (const damaged of ['parcel Y', 'cut']) {
      const place = await strange(when, 'parcel X')
      await put(place.home, 'old', place.key, damaged)
      expect(await move(place.home)).toMatchObject({ moved: 0, failures: [{ code: 'ERR_FILE_CHANGED' }] })
      await expectItStays(place, 'parcel X')
    }
  })

  it.each(moments)('stays when the source may not be read (a runner was killed: %s)', async when => {
    const rules = [{ method: 'get', fault: { kind: 'error', code: 'ERR_BACKEND_DENIED' } }] as const
    const home = await town(fresh, 1, {
      old: new ChaosDriver(new MemoryDriver(), { rules }),
      new: new MemoryDriver(),
    })
    const [text] = await textsOf(home.dataSource)
    if (when !== 'never') await runnerDies(when, home, Parcel)
    await put(home, 'new', keyOf(text), 'parcel X')
    expect(await move(home)).toMatchObject({ moved: 0, failures: [{ code: 'ERR_BACKEND_DENIED' }] })
    await expectItStays({ home, key: keyOf(text) }, 'parcel X')
  })

  it.each(moments)('is what the row gets when it has its bytes (a runner was killed: %s)', async when => {
    for (const source of [undefined, 'parcel Y', 'cut']) {
      const { home, key } = await strange(when, 'parcel 0')
      if (source === undefined) await home.backends.old.delete(key)
      else await put(home, 'old', key, source)
      const { dataSource } = home
      expect(await planMigration({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({
        ...{ files: 1, copied: 1, failed: 0 },
      })
      expect(await move(home)).toMatchObject({ moved: 1, failed: 0 })
      const { file } = await home.parcels.findOneByOrFail({})
      expect(await readText(file)).toBe('parcel 0')
    }
  })

  it('stays when the row is replaced while it is compared', async () => {
    const held = new HeldDriver()
    const home = await town(fresh, 1, { old: held, new: new MemoryDriver() })
    const { storage, dataSource, parcels } = home
    const [text] = await textsOf(dataSource)
    await put(home, 'new', keyOf(text), 'parcel 0')
    const moving = move(home)
    await held.asked
    const parcel = await parcels.findOneByOrFail({})
    parcel.file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: 'replaced' })
    await parcels.save(parcel)
    held.letGo()
    expect(await moving).toMatchObject({ moved: 0, skipped: 1 })
    await expectItStays({ home, key: keyOf(text) }, 'parcel 0')
  })

  it.each(moments)('stays where an old path tells nothing of its bytes (killed: %s)', async when => {
    const home = await oldTown(fresh, ['uploads/acme/a.txt'])
    const { dataSource, backends } = home
    await putOld(backends, 'uploads/acme/a.txt', 'hello')
    if (when !== 'never') await runnerDies(when, home, Paper)
    await backends.new.put('media/acme/a.txt', Buffer.from('hello'), plain)
    await backends.old.delete('media/acme/a.txt')
    expect(await migrateFiles({ dataSource, entity: Paper, to: 'new' })).toMatchObject({
      ...{ moved: 0, failures: [{ code: 'ERR_FILE_NOT_FOUND' }] },
    })
    await reapLater(home)
    expect(await keysIn(backends.new.list(''))).toEqual(['media/acme/a.txt'])
  })
})

describeOnSqliteFirst('A list of files that a killed runner had under way', fresh => {
  async function shelved() {
    const backends = { old: new MemoryDriver(), new: new MemoryDriver() }
    const storage = memoryStorage(backends)
    const { dataSource } = await house(fresh, [Shelf], { storage })
    const rules = rulesOf(Shelf, 'files')
    const shelves = dataSource.getRepository(Shelf)
    const files = []
    for (const body of ['one', 'two', 'three']) files.push(await upload({ storage }, rules, { body }))
    await shelves.save(shelves.create({ files }))
    const keys = files.map(({ tenant, key }) => `media/${tenant}/${key}`) as [string, string, string]
    await runnerDies('staged', { dataSource, storage }, Shelf)
    const putNew = (key: string, body: string) => backends.new.put(key, Buffer.from(body), plain)
    const moveShelves = () => migrateFiles({ dataSource, entity: Shelf, to: 'new' })
    return { backends, storage, dataSource, shelves, keys, putNew, moveShelves }
  }

  it("leaves what others have put at its new places, and the last of a file's bytes", async () => {
    const home = await shelved()
    const { backends, keys, putNew, moveShelves } = home
    const [one, two, three] = keys
    await putNew(one, 'one')
    await putNew(three, 'something else')
    await backends.old.delete(one)
    await backends.old.delete(two)
    expect(await moveShelves()).toMatchObject({ moved: 0, failures: [{ code: 'ERR_FILE_NOT_FOUND' }] })
    await reapLater(home)
    expect(await keysIn(backends.new.list(''))).toEqual([one, three].sort())
  })

  it('leaves no copy behind when its row was removed', async () => {
    const home = await shelved()
    const { backends, keys, putNew, moveShelves, shelves } = home
    await putNew(keys[0], 'one')
    await putNew(keys[1], 'two')
    await shelves.remove(await shelves.find())
    await reapLater(home).then(() => Promise.all(keys.map(key => backends.old.delete(key))))
    await moveShelves()
    await reapLater(home)
    expect(await keysIn(backends.new.list(''))).toEqual([])
  })
})
