import { AfterUpdate, Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FileColumn, FilesColumn } from '../../src/typeorm/index.js'
import { house, stateOf, states, upload } from './databases.js'
import { describeOnSqliteFirst } from './on-databases.js'

const RULES = { folder: 'contracts' }

@Entity('deed')
class Deed {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @FileColumn(RULES)
  file!: StoredFile | null
}

/** Forgets its photos as soon as they are written, as one does that is never shown again. */
@Entity()
class Album {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @Column({ type: 'text', nullable: true })
  title!: string | null

  @FilesColumn(RULES)
  photos!: readonly StoredFile[] | null

  @AfterUpdate()
  forget() {
    this.photos = []
  }
}

/** A trigger of the application by which rows of `deed` stay as they are, and nobody is told. */
async function protect(dataSource: DataSource, event: 'DELETE' | 'UPDATE'): Promise<void> {
  const { type } = dataSource.options
  const trigger = `CREATE TRIGGER protect BEFORE ${event} ON deed FOR EACH ROW`
  if (type === 'postgres') {
    await dataSource.query(
      'CREATE FUNCTION protect() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
    )
    await dataSource.query(`${trigger} EXECUTE FUNCTION protect()`)
  } else if (type === 'mariadb') await dataSource.query(`${trigger} SET NEW.file = OLD.file`)
  else await dataSource.query(`${trigger} BEGIN SELECT RAISE(IGNORE); END`)
}

describeOnSqliteFirst('a row that the database keeps as it was', fresh => {
  it('keeps its file when it should be replaced', async () => {
    const home = await house(fresh, [Deed])
    const [old, file] = [await upload(home, RULES), await upload(home, RULES)]
    const deeds = home.dataSource.getRepository(Deed)
    await deeds.insert({ id: 1, file: old })
    await protect(home.dataSource, 'UPDATE')
    await deeds.save({ id: 1, file })
    expect((await deeds.findOneByOrFail({ id: 1 })).file?.equals(old)).toBe(true)
    expect(await stateOf(home.dataSource, old)).toBe('attached')
  })

  it('keeps its file when it should be removed', async () => {
    const home = await house(fresh, [Deed])
    if (home.dataSource.options.type === 'mariadb') return // there a trigger can only let the DELETE fail
    const deeds = home.dataSource.getRepository(Deed)
    await deeds.insert({ id: 1, file: await upload(home, RULES) })
    await protect(home.dataSource, 'DELETE')
    await deeds.remove(await deeds.findOneByOrFail({ id: 1 }))
    expect(await deeds.count()).toBe(1)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })
})

describeOnSqliteFirst('an entity that is changed while it is saved', fresh => {
  it('loses no file that its row holds', async () => {
    const home = await house(fresh, [Album])
    const albums = home.dataSource.getRepository(Album)
    const [one, two] = [await upload(home, RULES), await upload(home, RULES)]
    await albums.insert({ id: 1, photos: [one] })
    await albums.save(albums.create({ id: 1, photos: [one, two] }))
    expect((await albums.findOneByOrFail({ id: 1 })).photos).toHaveLength(2)
    expect(await states(home.dataSource)).toEqual({ attached: 2 })
  })
})
