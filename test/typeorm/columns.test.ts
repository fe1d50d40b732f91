import {
  ChildEntity,
  Column,
  Entity,
  EntitySchema,
  IsNull,
  Not,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FileColumn, fileColumn, PublicFileColumn, rulesOf, withFiles } from '../../src/typeorm/index.js'
import { sqliteOptions } from '../support/sqlite.js'
import { dataSourceOf, house, memoryStorage, states, upload } from './databases.js'
import {
  Contract,
  Filed,
  Folder,
  Media,
  ORDER_RULES,
  Order,
  Picture,
  Scan,
  TicketSchema,
  Video,
} from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

describe('rulesOf', () => {
  it('finds the rules of a decorated, inherited or embedded property and of an EntitySchema', () => {
    expect(rulesOf(Order, 'file')).toMatchObject({
      disk: 'media',
      folder: 'order_files',
      maxSize: 50 * 1024 ** 2,
    })
    expect(rulesOf(Folder, 'attachment')).toMatchObject({ folder: 'inherited' })
    expect({ ...rulesOf(Filed, 'attachment'), field: 'Folder.attachment' }).toEqual(
      rulesOf(Folder, 'attachment'),
    )
    expect(rulesOf(Folder, 'meta.scan')).toMatchObject({ folder: 'scans' })
    expect(rulesOf(Picture, 'picture')).toMatchObject({ folder: 'pictures' })
    expect(rulesOf(TicketSchema, 'attachment')).toMatchObject({ folder: 'tickets' })
    expect(rulesOf(Contract, 'avatar')).toMatchObject({ disk: 'public-media', folder: 'avatars' })
  })

  it('finds embedded columns of an EntitySchema', () => {
    const scan = new EntitySchema<Scan>({ name: 'Scan', columns: { scan: fileColumn({ folder: 'scans' }) } })
    const binder = new EntitySchema<{ id: number; meta: Scan }>({
      name: 'Binder',
      columns: { id: { type: 'int', primary: true } },
      embeddeds: { meta: { schema: scan } },
    })
    expect(rulesOf(binder, 'meta.scan')).toMatchObject({ folder: 'scans' })
  })

  it('says so when a property is no file column', () => {
    const message = expect.stringContaining('Order.title is no file column')
    expect(() => rulesOf(Order, 'title')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message }))
    expect(() => rulesOf(TicketSchema, 'id')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(() => rulesOf(Folder, 'meta.nothing')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(() => rulesOf(Folder, 'meta')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    // @ts-expect-error: no such property
    expect(() => rulesOf(Order, 'nothing')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})

describe('a file column', () => {
  it.each(['select', 'insert', 'update', 'type', 'transformer', 'default'])(
    'refuses the column option %s',
    option => {
      const options = { folder: 'x', [option]: false } as never
      expect(() => FileColumn(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
      expect(() => fileColumn(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    },
  )

  it('refuses rules that are none where it is declared', () => {
    expect(() => FileColumn({ folder: '../x' })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(() => PublicFileColumn({ folder: 'x', accept: ['pdf'] })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })

  it('reads but does not write where its DataSource was never given to withFiles', async () => {
    const options = { ...sqliteOptions(), entities: [Order] }
    const storage = memoryStorage()
    const bound = withFiles(storage, dataSourceOf({ ...options }))
    await bound.initialize()
    const file = await upload({ storage }, ORDER_RULES)
    const { id } = await bound.getRepository(Order).save({ file })
    const unbound = dataSourceOf({ ...options, synchronize: false })
    await unbound.initialize()
    const orders = unbound.getRepository(Order)
    const order = await orders.findOneByOrFail({ id })
    expect(order.file).toMatchObject({ name: 'a.txt', size: 5 })
    const advice = {
      code: 'ERR_CONFIG',
      message: expect.stringContaining('Give this DataSource to withFiles'),
    }
    expect(() => order.file?.url).toThrow(expect.objectContaining(advice))
    expect(order.file?.toJSON()).toEqual({ name: 'a.txt', size: 5, type: 'text/plain', url: null })
    await expect(orders.save({ file })).rejects.toMatchObject(advice)
    await orders.save({ title: 'x', file: null })
    await expect(bound.getRepository(Order).save({ file: order.file })).rejects.toMatchObject({
      code: 'ERR_FILE_FORGED',
    })
  })
})

describeOnSqliteFirst('file columns of every kind', fresh => {
  it('work in embedded and inherited properties', async () => {
    const home = await house(fresh, [Folder])
    const folders = home.dataSource.getRepository(Folder)
    const attachment = await upload(home, rulesOf(Folder, 'attachment'))
    const scan = await upload(home, rulesOf(Folder, 'meta.scan'))
    const { id } = await folders.save({ attachment, meta: { scan } })
    const found = await folders.findOneByOrFail({ id })
    expect(found.attachment?.equals(attachment)).toBe(true)
    expect(found.meta.scan?.equals(scan)).toBe(true)
    found.meta.scan = await upload(home, rulesOf(Folder, 'meta.scan'))
    await folders.save(found)
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
    await folders.remove(found)
    expect(await states(home.dataSource)).toEqual({ delete: 3 })
  })

  it('work in the children of one table, also when they are loaded as their parent', async () => {
    const home = await house(fresh, [Media, Picture, Video])
    const picture = await upload(home, rulesOf(Picture, 'picture'))
    const video = await upload(home, rulesOf(Video, 'video'))
    await home.dataSource.getRepository(Picture).save({ picture })
    await home.dataSource.getRepository(Video).save({ video })
    const media = home.dataSource.getRepository(Media)
    const all = await media.find({ order: { id: 'ASC' } })
    expect((all[0] as Picture).picture?.equals(picture)).toBe(true)
    home.log.writes()
    await media.save(all)
    expect(home.log.writes()).toEqual([])
    ;(all[0] as Picture).picture = await upload(home, rulesOf(Picture, 'picture'))
    await media.save(all)
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
    await media.remove(all)
    expect(await states(home.dataSource)).toEqual({ delete: 3 })
  })

  it('work in the plain objects of an EntitySchema', async () => {
    const home = await house(fresh, [TicketSchema])
    const tickets = home.dataSource.getRepository(TicketSchema)
    const ticket = await tickets.save({ attachment: await upload(home, { folder: 'tickets' }) })
    ticket.attachment = await upload(home, { folder: 'tickets' })
    await tickets.save(ticket)
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 1 })
    await tickets.remove(ticket)
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('can be asked for: by null, not null, or the very file', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    await orders.save([{ title: 'with', file }, { title: 'without' }])
    expect(await orders.findBy({ file: IsNull() })).toMatchObject([{ title: 'without' }])
    expect(await orders.findBy({ file: Not(IsNull()) })).toMatchObject([{ title: 'with' }])
    expect(await orders.findBy({ file: file as never })).toMatchObject([{ title: 'with' }])
  })

  it('take and give StoredFile | null in types', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    const saved = await orders.save(orders.create({ title: null, file }))
    expectTypeOf(saved.file).toEqualTypeOf<StoredFile | null>()
    await orders.save({ id: saved.id, title: 'x', file: null })
    await orders.insert({ file: await upload(home, ORDER_RULES) })
  })
})

describeOnSqliteFirst('the start refuses', fresh => {
  it('children of one table whose file columns clash', async () => {
    @Entity('clash')
    @TableInheritance({ column: { type: 'varchar', name: 'kind' } })
    class Parent {
      @PrimaryGeneratedColumn()
      id!: number
    }
    @ChildEntity()
    class One extends Parent {
      @FileColumn({ folder: 'one' })
      file!: StoredFile | null
    }
    @ChildEntity()
    class Two extends Parent {
      @FileColumn({ folder: 'two' })
      file!: StoredFile | null
    }
    await expect(house(fresh, [Parent, One, Two])).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('Two.file'),
    })
  })

  it('a disk that the storage does not have, by entity and property', async () => {
    class Embedded {
      @FileColumn({ disk: 'attic', folder: 'x' })
      file!: StoredFile | null
    }
    @Entity()
    class Box {
      @PrimaryGeneratedColumn()
      id!: number
      @Column(() => Embedded)
      inside!: Embedded
    }
    await expect(house(fresh, [Box])).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/Box\.inside\.file .*"attic"/),
    })
  })
})
