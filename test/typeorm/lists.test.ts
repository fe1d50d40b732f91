import { Column, Entity, EntitySchema, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm'
import { expect, expectTypeOf, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { FilesColumn, filesColumn, rulesOf } from '../../src/typeorm/index.js'
import { type House, house, stateOf, states, upload } from './databases.js'
import { describeOnSqliteFirst } from './on-databases.js'

const RULES = { folder: 'photos' }

class Views {
  @FilesColumn(RULES)
  drawings!: readonly StoredFile[] | null
}

@Entity()
class Album {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', length: 20, default: '' })
  title!: string

  @FilesColumn({ ...RULES, maxFiles: 3 })
  photos!: readonly StoredFile[] | null

  @Column(() => Views)
  views!: Views
}

/** With a key that an upsert can name. */
@Entity()
class Shelf {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @FilesColumn(RULES)
  photos!: readonly StoredFile[] | null
}

interface Binder {
  id: number
  pages: readonly StoredFile[] | null
}

const BinderSchema = new EntitySchema<Binder>({
  name: 'Binder',
  columns: { id: { type: 'int', primary: true, generated: true }, pages: filesColumn({ folder: 'pages' }) },
})

describeOnSqliteFirst('a list of files', fresh => {
  it('is saved and loaded in its order, frozen, and shows its files to clients', async () => {
    const { home, albums, photos } = await album()
    const { id } = await albums.save({ photos })
    const found = await albums.findOneByOrFail({ id })
    expect(namesOf(found.photos)).toEqual(['1.txt', '2.txt', '3.txt'])
    expect(Object.isFrozen(found.photos)).toBe(true)
    expectTypeOf(found.photos).toEqualTypeOf<readonly StoredFile[] | null>()
    const json = runWithTenant('acme', () => JSON.parse(JSON.stringify(found)))
    expect(json.photos[1]).toEqual({ name: '2.txt', size: 5, type: 'text/plain', url: expect.any(String) })
    expect(await states(home.dataSource)).toEqual({ attached: 3 })
  })

  it('claims what is new in it, and hands over what is gone', async () => {
    const { home, albums, photos } = await album()
    const saved = await albums.save({ photos: photos.slice(0, 2) })
    const found = await albums.findOneByOrFail({ id: saved.id })
    found.photos = [photos[2]!, found.photos![1]!]
    await albums.save(found)
    expect(namesOf((await albums.findOneByOrFail({ id: saved.id })).photos)).toEqual(['3.txt', '2.txt'])
    expect(await stateOf(home.dataSource, photos[0]!)).toBe('delete')
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
  })

  it('in another order is one UPDATE and no claim', async () => {
    const { home, albums, photos } = await album()
    const { id } = await albums.save({ photos })
    const found = await albums.findOneByOrFail({ id })
    found.photos = found.photos!.toReversed()
    home.log.writes()
    await albums.save(found)
    expect(home.log.writes()).toEqual([expect.stringMatching(/^UPDATE .album/)])
    expect(namesOf((await albums.findOneByOrFail({ id })).photos)).toEqual(['3.txt', '2.txt', '1.txt'])
    expect(await states(home.dataSource)).toEqual({ attached: 3 })
  })

  it('causes no statement when it is untouched, also as an equal list', async () => {
    const { home, albums, photos } = await album()
    const saved = await albums.save({ photos, views: { drawings: [] } })
    const found = await albums.findOneByOrFail({ id: saved.id })
    home.log.writes()
    await albums.save(saved)
    await albums.save(found)
    await albums.save({ id: saved.id, photos: [...found.photos!] })
    expect(home.log.writes()).toEqual([])
  })

  it('may be empty, which is not null', async () => {
    const { home, albums, photos } = await album()
    const { id } = await albums.save({ photos: [], views: { drawings: null } })
    const found = await albums.findOneByOrFail({ id })
    expect(found.photos).toEqual([])
    expect(found.views?.drawings ?? null).toBeNull()
    await albums.save({ id, photos })
    await albums.save({ id, photos: [] })
    expect(await states(home.dataSource)).toEqual({ delete: 3 })
    await albums.save({ id, photos: null })
    expect((await albums.findOneByOrFail({ id })).photos).toBeNull()
  })

  it('hands all of its files over with its row', async () => {
    const { home, albums, photos } = await album()
    const saved = await albums.save({ photos, views: { drawings: [await upload(home, RULES)] } })
    await albums.remove(await albums.findOneByOrFail({ id: saved.id }))
    expect(await states(home.dataSource)).toEqual({ delete: 4 })
  })

  it('takes at most as many files as its column says', async () => {
    const { home, albums, photos } = await album()
    const tooMany = [...photos, await upload(home, RULES)]
    const refusal = { code: 'ERR_FILE_COUNT', status: 400, message: expect.stringContaining('at most 3') }
    await expect(albums.save({ photos: tooMany })).rejects.toMatchObject(refusal)
    await expect(albums.insert({ photos: tooMany })).rejects.toMatchObject(refusal)
    expect(await albums.count()).toBe(0)
  })

  it('takes no file twice, and none of another row', async () => {
    const { albums, photos } = await album()
    const stale = { code: 'ERR_FILE_STALE' }
    await expect(albums.save({ photos: [photos[0]!, photos[0]!] })).rejects.toMatchObject(stale)
    const { id } = await albums.save({ photos })
    const found = await albums.findOneByOrFail({ id })
    await expect(albums.save({ photos: found.photos })).rejects.toMatchObject(stale)
    await expect(albums.save({ photos: [found.photos![0]!] })).rejects.toMatchObject(stale)
    await expect(albums.save({ ...found, views: { drawings: found.photos } })).rejects.toMatchObject(stale)
    expect(await albums.count()).toBe(1)
  })

  it.each([
    ['one file alone', (files: StoredFile[]) => files[0]],
    ['plain objects', (files: StoredFile[]) => files.map(file => ({ ...file }))],
    ['one forged among good ones', (files: StoredFile[]) => [files[0], files[1]!.toJSON()]],
    ['null in between', (files: StoredFile[]) => [files[0], null]],
    ['a hole', (files: StoredFile[]) => Object.assign([], { 1: files[0] })],
    ['text', () => '[]'],
    ['something like a list', (files: StoredFile[]) => ({ 0: files[0], length: 1 })],
  ])('is refused as %s', async (_, make) => {
    const { albums, photos } = await album()
    const value = make(photos) as never
    await expect(albums.save({ photos: value })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    await expect(albums.insert({ photos: value })).rejects.toMatchObject({ code: 'ERR_FILE_FORGED' })
    expect(await albums.count()).toBe(0)
  })

  it('refuses a file for another column', async () => {
    const { home, albums, photos } = await album()
    const other = await upload(home, { folder: 'elsewhere' })
    const wrong = { code: 'ERR_FILE_WRONG_COLUMN' }
    await expect(albums.save({ photos: [photos[0]!, other] })).rejects.toMatchObject(wrong)
  })

  it('is rolled back as a whole', async () => {
    const { home, albums, photos } = await album()
    const { id } = await albums.save({ photos: photos.slice(0, 1) })
    const work = home.dataSource.transaction(async manager => {
      await manager.save(Album, { id, photos: photos.slice(1) })
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await states(home.dataSource)).toEqual({ attached: 1, pending: 2 })
    await albums.save({ id, photos: photos.slice(1) })
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
  })

  it('is replaced by upsert, file by file', async () => {
    const home = await house(fresh, [Shelf])
    const photos = await threePhotos(home)
    const shelves = home.dataSource.getRepository(Shelf)
    await shelves.insert({ id: 7, photos: photos.slice(0, 2) })
    const held = (await shelves.findOneByOrFail({ id: 7 })).photos!
    await shelves.upsert({ id: 7, photos: [held[1]!, photos[2]!] }, ['id'])
    expect(namesOf((await shelves.findOneByOrFail({ id: 7 })).photos)).toEqual(['2.txt', '3.txt'])
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
  })

  it('works in an EntitySchema', async () => {
    const home = await house(fresh, [BinderSchema])
    const binders = home.dataSource.getRepository(BinderSchema)
    const pages = [await upload(home, { folder: 'pages' }), await upload(home, { folder: 'pages' })]
    await binders.save({ pages })
    home.log.writes()
    await binders.save(await binders.find())
    expect(home.log.writes()).toEqual([])
    await binders.remove(await binders.find())
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('loads whatever is in its column, and is written back to the letter', async () => {
    const { home, albums } = await album()
    const { id } = await albums.save({ photos: [] })
    const texts = ['[ {"v":1} , 7]', 'nonsense', '{"a":1}', '["x"]']
    for (const text of texts) {
      await home.dataSource.query(`UPDATE album SET photos = '${text}'`)
      const found = await albums.findOneByOrFail({ id })
      expect(() => found.photos?.[0]?.url).toThrow(expect.objectContaining({ code: 'ERR_BACKEND_UNKNOWN' }))
      home.log.writes()
      await albums.save(found)
      expect(home.log.writes()).toEqual([])
    }
  })

  it('reads the text of a column of one file as a list of one', async () => {
    const { home, albums, photos } = await album()
    const { id } = await albums.save({ photos: photos.slice(0, 1) })
    const [{ photos: text }] = await home.dataSource.query('SELECT photos FROM album')
    const single = JSON.stringify(JSON.parse(text)[0])
    await home.dataSource.query(`UPDATE album SET photos = '${single}'`)
    const found = await albums.findOneByOrFail({ id })
    expect(namesOf(found.photos)).toEqual(['1.txt'])
    await albums.save({ id, photos: [...found.photos!, photos[1]!] })
    expect(await states(home.dataSource)).toEqual({ attached: 2, pending: 1 })
  })

  async function album() {
    const home = await house(fresh, [Album])
    const photos = await threePhotos(home)
    return { home, albums: home.dataSource.getRepository(Album), photos }
  }
})

it('has rules for uploads', () => {
  expect(rulesOf(Album, 'photos')).toMatchObject({ folder: 'photos', field: 'Album.photos' })
  expect(rulesOf(Album, 'views.drawings')).toMatchObject({ folder: 'photos' })
  expect(rulesOf(BinderSchema, 'pages')).toMatchObject({ folder: 'pages' })
})

it.each([0, -1, 1.5, Number.NaN, '3' as never])('does not take maxFiles: %s', maxFiles => {
  const wrong = expect.objectContaining({ code: 'ERR_CONFIG' })
  expect(() => FilesColumn({ folder: 'x', maxFiles })).toThrow(wrong)
})

function threePhotos(home: House): Promise<StoredFile[]> {
  return Promise.all(['1.txt', '2.txt', '3.txt'].map(name => upload(home, RULES, { name })))
}

function namesOf(files: readonly StoredFile[] | null | undefined): string[] | undefined {
  return files?.map(({ name }) => name)
}
