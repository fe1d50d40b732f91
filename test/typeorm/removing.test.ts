import {
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  type Relation,
} from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FileColumn } from '../../src/typeorm/index.js'
import { house, stateOf, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

@Entity()
class Mail {
  @PrimaryGeneratedColumn()
  id!: number

  @OneToMany(
    () => Enclosure,
    enclosure => enclosure.mail,
    { cascade: true },
  )
  enclosures!: Relation<Enclosure>[]
}

@Entity()
class Enclosure {
  @PrimaryGeneratedColumn()
  id!: number

  @ManyToOne(
    () => Mail,
    mail => mail.enclosures,
    { orphanedRowAction: 'delete' },
  )
  mail!: Relation<Mail>

  @FileColumn({ folder: 'enclosures' })
  file!: StoredFile | null
}

@Entity()
class Note {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'text', default: '' })
  text!: string

  @DeleteDateColumn()
  deletedAt!: Date | null

  @FileColumn({ folder: 'notes' })
  file!: StoredFile | null
}

describeOnDatabases('removing', fresh => {
  it('keeps the file when the removal is rolled back', async () => {
    const home = await house(fresh, [Order])
    const order = await home.dataSource.getRepository(Order).save({ file: await upload(home, ORDER_RULES) })
    const work = home.dataSource.transaction(async manager => {
      await manager.remove(Order, { ...order } as Order)
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('hands the file over that the row holds now, not the one that was loaded', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ file: await upload(home, ORDER_RULES) })
    const stale = await orders.findOneByOrFail({ id })
    const current = await upload(home, ORDER_RULES)
    await orders.save({ id, file: current })
    await orders.remove(stale)
    expect(await stateOf(home.dataSource, current)).toBe('delete')
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('hands nothing over when the row is gone already', async () => {
    const home = await house(fresh, [Order], { bulkWrites: 'allow' })
    const orders = home.dataSource.getRepository(Order)
    const order = await orders.save({ file: await upload(home, ORDER_RULES) })
    await orders.delete(order.id)
    await orders.remove(order as Order)
    // delete(id) tells its hooks nothing, so the line stays for reconcile.
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('looks up the files of orphaned rows, which are removed by their id alone', async () => {
    const home = await house(fresh, [Mail, Enclosure])
    const mails = home.dataSource.getRepository(Mail)
    const stage = () => upload(home, { folder: 'enclosures' })
    const [one, two, three] = [await stage(), await stage(), await stage()]
    const mail = await mails.save(
      mails.create({ enclosures: [{ file: one }, { file: two }, { file: three }] }),
    )
    expect(await states(home.dataSource)).toEqual({ attached: 3 })
    mail.enclosures = mail.enclosures.slice(0, 1)
    await mails.save(mail)
    expect(await home.dataSource.getRepository(Enclosure).count()).toBe(1)
    expect(await stateOf(home.dataSource, one)).toBe('attached')
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 2 })
  })

  it('softly keeps the file, and recovering brings it back', async () => {
    const home = await house(fresh, [Note])
    const notes = home.dataSource.getRepository(Note)
    const note = await notes.save({ file: await upload(home, { folder: 'notes' }) })
    await notes.softRemove(note)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
    await notes.recover(note)
    expect((await notes.findOneByOrFail({ id: note.id })).file).not.toBeNull()
    await notes.softRemove(note)
    await notes.remove(note as Note)
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })
})

describeOnDatabases('a bulk write', fresh => {
  it('of a file column is refused before the statement', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES)
    const { id } = await orders.save({ title: 'x', file })
    const bulk = { code: 'ERR_BULK_WRITE', message: expect.stringContaining('use save()') }
    await expect(orders.update(id, { file: null })).rejects.toMatchObject(bulk)
    await expect(orders.update(id, { file: await upload(home, ORDER_RULES) })).rejects.toMatchObject(bulk)
    const build = orders
      .createQueryBuilder()
      .update()
      .set({ file: () => 'NULL' })
    await expect(build.execute()).rejects.toMatchObject(bulk)
    expect((await orders.findOneByOrFail({ id })).file?.equals(file)).toBe(true)
  })

  it('of other columns passes', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    await orders.update(id, { title: 'y' })
    expect(await orders.findOneByOrFail({ id })).toMatchObject({ title: 'y', file: { size: 5 } })
  })
})
