import { DataSource, In, IsNull, MoreThan } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { onStorageEvent } from '../../../src/core/events.js'
import { runWithTenant } from '../../../src/core/tenant.js'
import { filesOf } from '../../../src/typeorm/index.js'
import { type House, house, stateOf, states, upload } from '../databases.js'
import { Folder, Media, ORDER_RULES, Order, Picture, TicketSchema, Video } from '../entities.js'
import { describeOnDatabases } from '../on-databases.js'
import { Album, Chapter, Customer, Draft, FAMILY, Letter, Stamp } from './entities.js'

async function saveOrders(home: House, titles: readonly string[]): Promise<Order[]> {
  const orders = home.dataSource.getRepository(Order)
  const saved: Order[] = []
  for (const title of titles) saved.push(await orders.save({ title, file: await upload(home, ORDER_RULES) }))
  return saved
}

/** Two customers, each with two letters of two files, the first with a stamp. */
async function saveFamily(home: House): Promise<void> {
  const { manager } = home.dataSource
  const letter = () => upload(home, { folder: 'letters' })
  for (const id of [1, 2]) {
    const customer = await manager.save(Customer, { id })
    for (const language of ['de', 'en']) {
      const key = { id, language }
      await manager.save(Letter, { ...key, customer, scan: await letter(), envelope: await letter() })
    }
    const picture = await upload(home, { folder: 'stamps' })
    await manager.save(Stamp, { id, letter: { id, language: 'de' }, picture })
  }
}

describeOnDatabases('filesOf().delete', fresh => {
  it('deletes the rows that a condition names, and hands their files over', async () => {
    const home = await house(fresh, [Order])
    const [one] = await saveOrders(home, ['x', 'x', 'y'])
    expect(await filesOf(home.dataSource).delete(Order, { title: 'x' })).toEqual({ rows: 2, files: 2 })
    expect(await home.dataSource.getRepository(Order).find()).toMatchObject([{ title: 'y' }])
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 2 })
    expect(one?.file && (await stateOf(home.dataSource, one.file))).toBe('delete')
  })

  it('takes one id, a list of ids, operators, several conditions, and a function', async () => {
    const home = await house(fresh, [Order])
    const saved = await saveOrders(home, ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    const [a, b, c] = saved.map(({ id }) => id)
    const files = filesOf(home.dataSource)
    expect((await files.delete(Order, a ?? 0)).rows).toBe(1)
    expect((await files.delete(Order, [b ?? 0, c ?? 0])).rows).toBe(2)
    expect((await files.delete(Order, { title: In(['d', 'zzz']) })).rows).toBe(1)
    expect((await files.delete(Order, [{ title: 'e' }, { id: -1 }])).rows).toBe(1)
    const like = await files.delete(Order, where => where.where('entity.title LIKE :end', { end: 'f%' }))
    expect(like.rows).toBe(1)
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 6 })
  })

  it('deletes nothing for an empty list', async () => {
    const home = await house(fresh, [Order])
    await saveOrders(home, ['a'])
    expect(await filesOf(home.dataSource).delete(Order, [])).toEqual({ rows: 0, files: 0 })
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('refuses a condition that would hold for every row', async () => {
    const home = await house(fresh, [Order])
    await saveOrders(home, ['a'])
    const files = filesOf(home.dataSource)
    const nothing = [
      {},
      [{}],
      { title: undefined },
      { title: null },
      [{ title: 'a' }, {}],
      undefined,
      null,
      [undefined],
    ]
    for (const where of [...nothing, () => {}]) {
      const wrong = (async () => files.delete(Order, where as never))()
      await expect(wrong, JSON.stringify(where)).rejects.toMatchObject({ code: 'ERR_BULK_WRITE' })
    }
    expect(await home.dataSource.getRepository(Order).count()).toBe(1)
  })

  it('deletes far more rows than one statement takes', async () => {
    const home = await house(fresh, FAMILY)
    const letters = home.dataSource.getRepository(Letter)
    const rows = Array.from({ length: 634 }, (_, id) => ({ id, language: id % 2 ? 'de' : 'en' }))
    for (let start = 0; start < rows.length; start += 200)
      await letters.insert(rows.slice(start, start + 200))
    const scan = await upload(home, { folder: 'letters' })
    await letters.save({ id: 633, language: 'de', scan })
    const result = await filesOf(home.dataSource).delete(Letter, { id: MoreThan(3) })
    expect(result).toEqual({ rows: 630, files: 1 })
    expect(await letters.count()).toBe(4)
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })

  it('deletes softly removed rows too, as delete() does', async () => {
    const home = await house(fresh, [Draft])
    const drafts = home.dataSource.getRepository(Draft)
    await drafts.save({ id: 1, file: await upload(home, { folder: 'drafts' }) })
    await drafts.softDelete(1)
    expect(await filesOf(home.dataSource).delete(Draft, 1)).toEqual({ rows: 1, files: 1 })
    expect(await drafts.count({ withDeleted: true })).toBe(0)
  })

  it('finds files in embedded classes, EntitySchemas and children of one table', async () => {
    const home = await house(fresh, [Folder, TicketSchema, Media, Picture, Video])
    const { manager } = home.dataSource
    const stage = (folder: string) => upload(home, { folder })
    await manager.save(Folder, { attachment: await stage('inherited'), meta: { scan: await stage('scans') } })
    await manager.save(TicketSchema, { attachment: await stage('tickets') })
    await manager.save(Picture, { picture: await stage('pictures') })
    await manager.save(Video, { video: await stage('videos') })
    const files = filesOf(home.dataSource)
    expect(await files.deleteAll(Folder)).toEqual({ rows: 1, files: 2 })
    expect(await files.deleteAll(TicketSchema)).toEqual({ rows: 1, files: 1 })
    expect(await files.deleteAll(Picture)).toEqual({ rows: 1, files: 1 })
    expect(await manager.count(Video)).toBe(1)
    expect(await files.deleteAll(Media)).toEqual({ rows: 1, files: 1 })
    expect(await states(home.dataSource)).toEqual({ delete: 5 })
  })

  it('hands over the files of rows that the database deletes along, at any depth', async () => {
    const home = await house(fresh, FAMILY)
    await saveFamily(home)
    expect(await filesOf(home.dataSource).delete(Customer, 1)).toEqual({ rows: 1, files: 5 })
    expect(await home.dataSource.getRepository(Letter).count()).toBe(2)
    expect(await home.dataSource.getRepository(Stamp).count()).toBe(1)
    expect(await states(home.dataSource)).toEqual({ attached: 5, delete: 5 })
  })

  it('follows a tree, even one that bites its tail', async () => {
    const home = await house(fresh, [Chapter])
    const chapters = home.dataSource.getRepository(Chapter)
    const save = async (id: number, parent: number | null) =>
      chapters.save({
        id,
        parent: parent === null ? null : { id: parent },
        text: await upload(home, { folder: 'chapters' }),
      })
    await save(1, null)
    await save(2, 1)
    await save(3, 2)
    await save(4, null)
    expect(await filesOf(home.dataSource).delete(Chapter, 2)).toEqual({ rows: 1, files: 2 })
    await save(5, 1)
    await chapters.update(1, { parent: { id: 5 } })
    expect((await filesOf(home.dataSource).delete(Chapter, 1)).files).toBe(2)
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 4 })
    expect(await chapters.count()).toBe(1)
  })

  it('deletes a parent and its child together', async () => {
    const home = await house(fresh, [Chapter])
    const chapters = home.dataSource.getRepository(Chapter)
    for (const id of [1, 2, 3]) {
      const text = await upload(home, { folder: 'chapters' })
      await chapters.save({ id, parent: id === 1 ? null : { id: id - 1 }, text })
    }
    await filesOf(home.dataSource).delete(Chapter, [1, 2])
    expect(await chapters.count()).toBe(0)
    expect(await states(home.dataSource)).toEqual({ delete: 3 })
  })

  it('changes nothing where the database does not delete what its entities say', async () => {
    const home = await house(fresh, FAMILY)
    await saveFamily(home)
    const runner = home.dataSource.createQueryRunner()
    const table = await runner.getTable(home.dataSource.getMetadata(Letter).tablePath)
    await runner.dropForeignKeys(table?.name ?? '', table?.foreignKeys ?? [])
    await runner.release()
    const bulk = filesOf(home.dataSource).delete(Customer, 1)
    await expect(bulk).rejects.toThrow('2 of 2 rows of Letter are still there')
    expect(await states(home.dataSource)).toEqual({ attached: 10 })
    expect(await home.dataSource.getRepository(Customer).count()).toBe(2)
  })

  it('is part of the transaction that it is called in', async () => {
    const home = await house(fresh, [Order])
    await saveOrders(home, ['x', 'y'])
    const work = home.dataSource.transaction(async manager => {
      await filesOf(manager).delete(Order, { title: 'x' })
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await states(home.dataSource)).toEqual({ attached: 2 })
    await home.dataSource.transaction(manager => filesOf(manager).delete(Order, { title: 'x' }))
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 1 })
  })

  it('changes nothing when it fails, though the application goes on and commits', async () => {
    const home = await house(fresh, FAMILY)
    await saveFamily(home)
    await home.dataSource.transaction(async manager => {
      const wrong = filesOf(manager).delete(Customer, where => where.where('entity.id = 1 AND nonsense = 2'))
      await expect(wrong).rejects.toThrow()
      await manager.save(Customer, { id: 9 })
    })
    expect(await home.dataSource.getRepository(Customer).count()).toBe(3)
    expect(await states(home.dataSource)).toEqual({ attached: 10 })
  })

  it('leaves the file of another tenant, and says so, as remove() does', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES, { tenant: 'other' })
    await orders.save({ title: 'x', file })
    const said: string[] = []
    const stop = onStorageEvent('leftover', ({ key }) => said.push(key))
    await runWithTenant('acme', () => filesOf(home.dataSource).delete(Order, { title: 'x' }))
    stop()
    expect(said).toEqual([file.key])
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })
})

describeOnDatabases('filesOf().update', fresh => {
  it('takes the files out of many rows, and writes other columns along', async () => {
    const home = await house(fresh, FAMILY)
    await saveFamily(home)
    const files = filesOf(home.dataSource)
    const result = await files.update(Letter, { language: 'de' }, { scan: null, title: 'empty' })
    expect(result).toEqual({ rows: 2, files: 2 })
    const letters = home.dataSource.getRepository(Letter)
    expect(await letters.findBy({ scan: IsNull() })).toMatchObject([{ title: 'empty' }, { title: 'empty' }])
    expect(await letters.countBy({ envelope: IsNull() })).toBe(0)
    expect(await states(home.dataSource)).toEqual({ attached: 8, delete: 2 })
  })

  it('goes on behind rows that fit the condition no more', async () => {
    const home = await house(fresh, FAMILY)
    await saveFamily(home)
    const { rows } = await filesOf(home.dataSource).update(Letter, { title: '' }, { title: 'x' })
    expect(rows).toBe(4)
    expect(await states(home.dataSource)).toEqual({ attached: 10 })
  })

  it('puts a new file into one row, and hands the replaced one over', async () => {
    const home = await house(fresh, [Order])
    const [order] = await saveOrders(home, ['x', 'y'])
    const file = await upload(home, ORDER_RULES)
    const files = filesOf(home.dataSource)
    expect(await files.update(Order, { title: 'x' }, { file })).toEqual({ rows: 1, files: 1 })
    expect(await stateOf(home.dataSource, file)).toBe('attached')
    const stored = await home.dataSource.getRepository(Order).findOneByOrFail({ id: order?.id ?? 0 })
    expect(stored.file?.equals(file)).toBe(true)
    expect(await files.update(Order, { title: 'x' }, { file })).toEqual({ rows: 1, files: 0 })
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
  })

  it('refuses one file for several rows, and leaves it free', async () => {
    const home = await house(fresh, [Order])
    await saveOrders(home, ['x', 'x'])
    const file = await upload(home, ORDER_RULES)
    const update = filesOf(home.dataSource).update(Order, { title: 'x' }, { file })
    await expect(update).rejects.toMatchObject({ code: 'ERR_BULK_WRITE' })
    expect(await states(home.dataSource)).toEqual({ attached: 2, pending: 1 })
    await home.dataSource.getRepository(Order).save({ file })
    expect(await states(home.dataSource)).toEqual({ attached: 3 })
  })

  it('refuses what is no file of this column', async () => {
    const home = await house(fresh, [Order])
    await saveOrders(home, ['x'])
    const files = filesOf(home.dataSource)
    const update = async (file: unknown) => files.update(Order, { title: 'x' }, { file } as never)
    await expect(update({ key: 'a' })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    await expect(update(() => 'NULL')).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    const elsewhere = await upload(home, { folder: 'elsewhere' })
    await expect(update(elsewhere)).rejects.toMatchObject({ code: 'ERR_FILE_WRONG_COLUMN' })
    expect(await states(home.dataSource)).toEqual({ attached: 1, pending: 1 })
  })
})

describeOnDatabases('filesOf() on lists of files', fresh => {
  const stage = (home: House) => upload(home, { folder: 'photos' })

  it('deletes, keeps and replaces by the rules of each column', async () => {
    const home = await house(fresh, [Album])
    const albums = home.dataSource.getRepository(Album)
    const files = filesOf(home.dataSource)
    const [one, two, three] = [await stage(home), await stage(home), await stage(home)]
    const cover = await upload(home, { folder: 'covers' })
    await albums.save({ id: 1, photos: [one, two], cover })
    expect(await files.update(Album, 1, { photos: [three, one] })).toEqual({ rows: 1, files: 1 })
    expect(await stateOf(home.dataSource, two)).toBe('delete')
    expect(await states(home.dataSource)).toEqual({ attached: 3, delete: 1 })
    expect(await files.update(Album, 1, { cover: null })).toEqual({ rows: 1, files: 1 })
    expect(await stateOf(home.dataSource, cover)).toBe('kept')
    expect(await files.delete(Album, 1)).toEqual({ rows: 1, files: 2 })
    expect(await states(home.dataSource)).toEqual({ kept: 1, delete: 3 })
  })

  it('gives a list from a raw row', async () => {
    const home = await house(fresh, [Album])
    const albums = home.dataSource.getRepository(Album)
    const photo = await stage(home)
    await albums.save({ id: 1, photos: [photo] })
    const [row] = await albums.createQueryBuilder('a').select('a.photos', 'photos').getRawMany()
    expect(filesOf(home.dataSource).fromColumn(Album, 'photos', row.photos)?.[0]?.equals(photo)).toBe(true)
  })

  it('removes softly, and takes files out that do not survive it', async () => {
    const home = await house(fresh, [Album])
    const albums = home.dataSource.getRepository(Album)
    for (const id of [1, 2]) {
      const cover = await upload(home, { folder: 'covers' })
      await albums.save({ id, photos: [await stage(home), await stage(home)], cover })
    }
    await expect(albums.softDelete(1)).rejects.toThrow('filesOf(dataSource).softDelete()')
    expect(await filesOf(home.dataSource).softDelete(Album, 1)).toEqual({ rows: 1, files: 2 })
    expect(await filesOf(home.dataSource).softDelete(Album, 1)).toEqual({ rows: 0, files: 0 })
    expect(await albums.findOne({ where: { id: 1 }, withDeleted: true })).toMatchObject({ photos: null })
    expect(await albums.find()).toMatchObject([{ id: 2 }])
    expect(await states(home.dataSource)).toEqual({ attached: 4, delete: 2 })
    await albums.restore(1)
    expect(await albums.count()).toBe(2)
  })
})

describeOnDatabases('filesOf().fromColumn', fresh => {
  it('reads the text of a raw row', async () => {
    const home = await house(fresh, [Order])
    const [order] = await saveOrders(home, ['x'])
    const orders = home.dataSource.getRepository(Order)
    const [row] = await orders.createQueryBuilder('o').select('o.file', 'file').getRawMany()
    const files = filesOf(home.dataSource)
    expect(files.fromColumn(Order, 'file', row.file)?.equals(order?.file ?? undefined)).toBe(true)
    expect(files.fromColumn(Order, 'file', null)).toBeNull()
    expect(() => files.fromColumn(Order, 'title', 'x')).toThrow('no file column')
  })
})

describe('filesOf', () => {
  it('refuses a DataSource without a storage', () => {
    const dataSource = new DataSource({ type: 'postgres' })
    expect(() => filesOf(dataSource)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})
