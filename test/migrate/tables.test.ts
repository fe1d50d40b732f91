import {
  ChildEntity,
  Column,
  type DataSource,
  Entity,
  MoreThan,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { FileColumn, type FileEntity, FilesColumn, rulesOf } from '../../src/typeorm/index.js'
import { type FreshOptions, house, memoryStorage, upload } from '../typeorm/databases.js'
import { describeOnDatabases } from '../typeorm/on-databases.js'
import { linesOf, readText } from './town.js'

@Entity()
class ByUuid {
  @PrimaryGeneratedColumn('uuid')
  id!: string

  @FileColumn({ folder: 'keys' })
  file!: StoredFile | null
}

@Entity()
class ByBigint {
  @PrimaryColumn({ type: 'bigint' })
  id!: string

  @FileColumn({ folder: 'keys' })
  file!: StoredFile | null
}

@Entity()
class ByText {
  @PrimaryColumn({ type: 'varchar', length: 60 })
  id!: string

  @FileColumn({ folder: 'keys' })
  file!: StoredFile | null
}

@Entity()
class ByTwo {
  @PrimaryColumn({ type: 'int' })
  shelf!: number

  @PrimaryColumn({ type: 'varchar', length: 20 })
  place!: string

  @FileColumn({ folder: 'keys' })
  file!: StoredFile | null
}

@Entity()
class Album {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'covers' })
  cover!: StoredFile | null

  @FilesColumn({ folder: 'pages', maxFiles: 5 })
  pages!: readonly StoredFile[] | null
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Note {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'notes' })
  file!: StoredFile | null
}

@ChildEntity()
class Invoice extends Note {
  @Column({ type: 'int', nullable: true })
  total!: number | null
}

@ChildEntity()
class Reminder extends Note {}

async function archive(fresh: FreshOptions, entities: FileEntity<object>[]) {
  const backends = { old: new MemoryDriver(), new: new MemoryDriver() }
  const home = await house(fresh, entities as never, { storage: memoryStorage(backends) })
  return { ...home, backends }
}

const migrate = <E extends object>(dataSource: DataSource, entity: FileEntity<E>) =>
  migrateFiles({ dataSource, entity, to: 'new' })

describeOnDatabases('migrateFiles', fresh => {
  it.each([
    ['uuids', ByUuid, (_n: number) => ({})],
    ['large numbers', ByBigint, (n: number) => ({ id: `${9_007_199_254_740_993n + BigInt(n)}` })],
    [
      'text',
      ByText,
      (n: number) => ({ id: ["it's", 'a"b\\{c,d}', 'ä €', 'x;--', ' ', 'NULL', '10', '9'][n] }),
    ],
    ['two columns', ByTwo, (n: number) => ({ shelf: n % 2, place: `p${n}` })],
  ] as const)('finds its rows by %s', async (_name, entity, idOf) => {
    const home = await archive(fresh, [entity])
    const { dataSource } = home
    const rows = dataSource.getRepository<{ file: StoredFile | null }>(entity as never)
    for (let n = 0; n < 8; n++) {
      const file = await upload(home, rulesOf(entity as FileEntity<ByUuid>, 'file'), { body: `row ${n}` })
      await rows.save(rows.create({ ...idOf(n), file } as never))
    }
    expect(await migrate(dataSource, entity as FileEntity<ByUuid>)).toMatchObject({
      rows: 8,
      moved: 8,
      failed: 0,
    })
    // Past TypeORM: SQLite gives it large numbers rounded.
    const held: { text: string }[] = await dataSource.query(
      `SELECT file AS text FROM ${dataSource.getMetadata(entity).tablePath}`,
    )
    const files = held.map(({ text }) => JSON.parse(text) as StoredFile)
    expect(files.map(file => file.backend)).toEqual(Array(8).fill('new'))
    const bodies = files.map(async ({ key }) => {
      const { body } = await home.backends.new.get(`media/acme/${key}`)
      return String(Buffer.concat(await body.toArray()))
    })
    expect((await Promise.all(bodies)).sort()).toEqual([...Array(8).keys()].map(n => `row ${n}`))
    expect(
      await rollbackFiles({ dataSource, entity: entity as FileEntity<ByUuid>, to: 'new' }),
    ).toMatchObject({ restored: 8 })
  })

  it('walks through more rows than one page, and each once', async () => {
    const home = await archive(fresh, [ByBigint])
    const { dataSource } = home
    const rows = dataSource.getRepository(ByBigint)
    const file = await upload(home, rulesOf(ByBigint, 'file'))
    await rows.save(rows.create({ id: '1000', file }))
    const [{ text }] = await dataSource.query('SELECT file AS text FROM by_bigint')
    const values = [...Array(450).keys()].map(
      n => `(${n}, '${text.replaceAll(file.key, `keys/copy-${n}.txt`)}')`,
    )
    await dataSource.query(`INSERT INTO by_bigint (id, file) VALUES ${values.join(', ')}`)
    for (let n = 0; n < 450; n++)
      await home.backends.old.put(`media/acme/keys/copy-${n}.txt`, Buffer.from('hello'), {
        contentType: 'text/plain',
      })
    const where = { id: MoreThan('99') }
    expect(await migrateFiles({ dataSource, entity: ByBigint, to: 'new', where })).toMatchObject({
      rows: 451,
      moved: 351,
    })
    expect(await migrate(dataSource, ByBigint)).toMatchObject({ rows: 451, moved: 100, failed: 0 })
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 451, 'old kept': 451 })
  })

  it('moves every file of a list, and all columns of an entity or one of them', async () => {
    const home = await archive(fresh, [Album])
    const { dataSource } = home
    const albums = dataSource.getRepository(Album)
    const pages = []
    for (const body of ['one', 'two', 'three'])
      pages.push(await upload(home, rulesOf(Album, 'pages'), { body }))
    const cover = await upload(home, rulesOf(Album, 'cover'), { body: 'cover' })
    const { id } = await albums.save(albums.create({ cover, pages }))
    const texts = () => dataSource.query('SELECT cover, pages FROM album')
    const before = await texts()
    expect(await migrateFiles({ dataSource, entity: Album, property: 'cover', to: 'new' })).toMatchObject({
      moved: 1,
    })
    expect(await migrate(dataSource, Album)).toMatchObject({ moved: 3, failed: 0 })
    const album = await albums.findOneByOrFail({ id })
    expect([album.cover, ...(album.pages ?? [])].map(file => file?.backend)).toEqual(Array(4).fill('new'))
    expect(await Promise.all((album.pages ?? []).map(readText))).toEqual(['one', 'two', 'three'])
    await rollbackFiles({ dataSource, entity: Album, to: 'new' })
    expect(await texts()).toEqual(before)
  })

  it('moves the rows of a child alone, and none of its brothers in the same table', async () => {
    const home = await archive(fresh, [Note, Invoice, Reminder])
    const { dataSource } = home
    for (const entity of [Invoice, Reminder]) {
      const notes = dataSource.getRepository<Note>(entity)
      await notes.save(notes.create({ file: await upload(home, rulesOf(Note, 'file')) }))
    }
    expect(await migrate(dataSource, Invoice)).toMatchObject({ moved: 1 })
    const backendOf = async (entity: FileEntity<Note>) =>
      (await dataSource.getRepository(entity as typeof Note).find())[0]?.file?.backend
    expect([await backendOf(Invoice), await backendOf(Reminder)]).toEqual(['new', 'old'])
    expect(await migrate(dataSource, Note)).toMatchObject({ moved: 1 })
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 2, 'old kept': 2 })
  })
})
