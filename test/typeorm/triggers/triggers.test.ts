import { Column, Entity, type MigrationInterface, PrimaryColumn, type QueryRunner } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { onStorageEvent } from '../../../src/core/events.js'
import type { StoredFile } from '../../../src/core/stored-file.js'
import { bindingOf } from '../../../src/typeorm/files-binding.js'
import { dropFileTriggers, FileColumn, filesOf, installFileTriggers } from '../../../src/typeorm/index.js'
import { describeWithMariadb, freshMariadb } from '../../support/mariadb.js'
import { describeWithPostgres, freshDatabase } from '../../support/postgres.js'
import { embeddedOptions } from '../../support/sqlite.js'
import { Album, Customer, FAMILY, Letter, Stamp } from '../bulk/entities.js'
import { type FreshOptions, type House, house, ledgerOf, stateOf, states, upload } from '../databases.js'
import { Contract, Media, ORDER_RULES, Order, Picture, Video } from '../entities.js'

/** A name that has to be quoted, and is cut by PostgreSQL together with what is put behind it. */
@Entity({ name: 'Odd-Table with a näme as long as PostgreSQL permits, but one' })
class Odd {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @Column({ type: 'text', default: '' })
  title!: string

  @FileColumn({ folder: 'odd', name: 'The file' })
  file!: StoredFile | null
}

/** The same suite where there are triggers. */
function describeWithTriggers(name: string, body: (fresh: FreshOptions) => void): void {
  describe(`${name} on SQLite`, () => body(async () => embeddedOptions()))
  describeWithPostgres(`${name} on PostgreSQL`, () =>
    body(async () => ({ type: 'postgres', url: (await freshDatabase()).url })),
  )
}

const sql = (home: House, text: string) => home.dataSource.query(text)
const on = (home: House, work: (runner: QueryRunner) => Promise<void>): Promise<void> => {
  const runner = home.dataSource.createQueryRunner()
  return work(runner).finally(() => runner.release())
}

async function installed(fresh: FreshOptions, entities: Parameters<typeof house>[1]): Promise<House> {
  const home = await house(fresh, entities)
  await on(home, installFileTriggers)
  return home
}

async function saveOrder(home: House, title = 'x'): Promise<Order & { file: StoredFile }> {
  const file = await upload(home, ORDER_RULES)
  return home.dataSource.getRepository(Order).save({ title, file })
}

describeWithTriggers('file triggers', fresh => {
  it('hand over the files of rows that raw SQL deletes', async () => {
    const home = await installed(fresh, [Order])
    const { file } = await saveOrder(home)
    await saveOrder(home, 'y')
    await sql(home, `DELETE FROM "order" WHERE title = 'x'`)
    expect(await stateOf(home.dataSource, file)).toBe('delete')
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 1 })
  })

  it('let bulk deletes and clear() pass the guard, and see to their files', async () => {
    const home = await installed(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { id } = await saveOrder(home)
    await orders.delete(id)
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
    const { id: next } = await saveOrder(home)
    await orders.update(next, { file: null })
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
    await saveOrder(home)
    await saveOrder(home)
    await orders.clear()
    expect(await states(home.dataSource)).toEqual({ delete: 4 })
  })

  it('see what foreign keys delete', async () => {
    const home = await installed(fresh, FAMILY)
    const { manager } = home.dataSource
    const customer = await manager.save(Customer, { id: 1 })
    const scan = await upload(home, { folder: 'letters' })
    const letter = await manager.save(Letter, { id: 1, language: 'de', customer, scan })
    await manager.save(Stamp, { id: 1, letter, picture: await upload(home, { folder: 'stamps' }) })
    await manager.delete(Customer, 1)
    expect(await manager.count(Stamp)).toBe(0)
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('share the transaction of the statement', async () => {
    const home = await installed(fresh, [Order])
    await saveOrder(home)
    const work = home.dataSource.transaction(async manager => {
      await manager.query('DELETE FROM "order"')
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('and hooks do the same to one row, and it happens once', async () => {
    const home = await installed(fresh, [Contract])
    const contracts = home.dataSource.getRepository(Contract)
    const stage = () => upload(home, { folder: 'contracts' })
    const [draft, signed, next] = [await stage(), await stage(), await stage()]
    await contracts.save({ id: 1, draft, signed })
    await contracts.save({ id: 1, draft: next })
    expect(await stateOf(home.dataSource, draft)).toBe('delete')
    expect(await states(home.dataSource)).toEqual({ attached: 2, delete: 1 })
    await contracts.remove(await contracts.findOneByOrFail({ id: 1 }))
    expect(await states(home.dataSource)).toEqual({ delete: 3 })
  })

  it('and filesOf() do the same to one row, and it happens once', async () => {
    const home = await installed(fresh, [Order])
    await saveOrder(home)
    await saveOrder(home)
    expect(await filesOf(home.dataSource).deleteAll(Order)).toEqual({ rows: 2, files: 2 })
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('take a backend switch for no replacement, and other columns for none of their business', async () => {
    const home = await installed(fresh, [Order])
    const { file } = await saveOrder(home)
    await sql(home, `UPDATE "order" SET title = 'y'`)
    await sql(home, `UPDATE "order" SET file = REPLACE(file, '"backend":"memory"', '"backend":"next"')`)
    expect(await stateOf(home.dataSource, file)).toBe('attached')
    await sql(home, 'UPDATE "order" SET file = NULL')
    // its line is that of the old backend, so this is nobody's any more: reconcile finds it
    expect(await stateOf(home.dataSource, file)).toBe('attached')
  })

  it('leave a file alone that moves to another column of its row', async () => {
    const home = await installed(fresh, [Contract])
    const draft = await upload(home, { folder: 'contracts' })
    await home.dataSource.getRepository(Contract).save({ id: 1, draft })
    await sql(home, 'UPDATE contract SET signed = draft, draft = NULL')
    expect(await stateOf(home.dataSource, draft)).toBe('attached')
    await sql(home, 'UPDATE contract SET signed = NULL')
    expect(await stateOf(home.dataSource, draft)).toBe('delete')
  })

  it('hand over the files that a list has lost, and keep what is to be kept', async () => {
    const home = await installed(fresh, [Album])
    const photos = [1, 2, 3].map(() => upload(home, { folder: 'photos' }))
    const [one, two, three] = [await photos[0], await photos[1], await photos[2]] as StoredFile[]
    const cover = await upload(home, { folder: 'covers' })
    const list = [one, two, three].filter(file => file !== undefined)
    await home.dataSource.getRepository(Album).save({ id: 1, photos: list, cover })
    const [{ photos: text }] = await sql(home, 'SELECT photos FROM album')
    const fewer = JSON.stringify(
      JSON.parse(text)
        .filter((_: unknown, index: number) => index !== 1)
        .reverse(),
    )
    await sql(home, `UPDATE album SET photos = '${fewer}'`)
    expect(two && (await stateOf(home.dataSource, two))).toBe('delete')
    expect(await states(home.dataSource)).toEqual({ attached: 3, delete: 1 })
    await sql(home, 'DELETE FROM album')
    expect(await states(home.dataSource)).toEqual({ kept: 1, delete: 3 })
    const kept = (await ledgerOf(home.dataSource)).find(({ state }) => state === 'kept')
    expect(kept).toMatchObject({ expires_at: null })
  })

  it('keep a replaced file for as many days as hooks would', async () => {
    const home = await installed(fresh, [Album])
    const cover = await upload(home, { folder: 'covers' })
    await home.dataSource.getRepository(Album).save({ id: 1, cover })
    await sql(home, 'UPDATE album SET cover = NULL')
    const [line] = await ledgerOf(home.dataSource)
    expect(line?.state).toBe('kept')
    const days = (Number(line?.expires_at) - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(30)
  })

  it('never make a DELETE fail, whatever the column holds', async () => {
    const home = await installed(fresh, [Order])
    const texts = [
      '',
      'uploads/a.pdf',
      '{',
      '[',
      '{}',
      '[1,null,"x",{}]',
      'null',
      '7',
      '"x"',
      '{"v":1}',
      '[[]]',
      '{"a":"\\u0000"}',
    ]
    for (const text of texts)
      await home.dataSource.query(`INSERT INTO "order" (title, file) VALUES ('x', '${text}')`)
    await sql(home, `INSERT INTO "order" (title, file) VALUES ('x', NULL)`)
    await saveOrder(home)
    await sql(home, `UPDATE "order" SET file = NULL WHERE id % 2 = 0`)
    await sql(home, `DELETE FROM "order"`)
    expect(await sql(home, 'SELECT * FROM "order"')).toEqual([])
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })

  it('touch no file that another row may have: only what the ledger says is attached', async () => {
    const home = await installed(fresh, [Order])
    const { file } = await saveOrder(home)
    const pending = await upload(home, ORDER_RULES)
    const [{ file: text }] = await sql(home, 'SELECT file FROM "order"')
    const forged = String(text).replace(file.key, pending.key)
    await sql(home, `INSERT INTO "order" (title, file) VALUES ('x', '${forged}')`)
    await sql(home, `DELETE FROM "order" WHERE file LIKE '%${pending.key}%'`)
    expect(await stateOf(home.dataSource, pending)).toBe('pending')
  })

  it('are installed once for all children of a table', async () => {
    const home = await house(fresh, [Media, Picture, Video])
    await on(home, runner => installFileTriggers(runner, Picture))
    const { manager } = home.dataSource
    await manager.save(Picture, { picture: await upload(home, { folder: 'pictures' }) })
    await manager.save(Video, { video: await upload(home, { folder: 'videos' }) })
    await manager.delete(Video, 2)
    await manager.query('DELETE FROM media')
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('work on names that must be quoted', async () => {
    const home = await installed(fresh, [Odd])
    const odds = home.dataSource.getRepository(Odd)
    await odds.save({ id: 1, file: await upload(home, { folder: 'odd' }) })
    await odds.delete(1)
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
    await on(home, dropFileTriggers)
    await expect(odds.delete(1)).rejects.toMatchObject({ code: 'ERR_BULK_WRITE' })
  })

  it('are installed and dropped as often as one likes', async () => {
    const home = await house(fresh, [Order])
    await on(home, dropFileTriggers)
    for (const work of [installFileTriggers, installFileTriggers, dropFileTriggers, dropFileTriggers])
      await on(home, runner => work(runner, Order))
    const { id } = await saveOrder(home)
    await sql(home, 'UPDATE "order" SET file = NULL')
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
    const bulk = home.dataSource.getRepository(Order).delete(id)
    await expect(bulk).rejects.toMatchObject({ code: 'ERR_BULK_WRITE' })
  })

  it('come and go with a migration', async () => {
    class FileTriggers1764115200000 implements MigrationInterface {
      up = (runner: QueryRunner) => installFileTriggers(runner, Order)
      down = (runner: QueryRunner) => dropFileTriggers(runner, Order)
    }
    const home = await house(fresh, [Order], { migrations: [FileTriggers1764115200000] })
    await home.dataSource.runMigrations()
    const { id } = await saveOrder(home)
    await home.dataSource.getRepository(Order).delete(id)
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
    await home.dataSource.undoLastMigration()
    const bulk = home.dataSource.getRepository(Order).delete(id)
    await expect(bulk).rejects.toMatchObject({ code: 'ERR_BULK_WRITE' })
  })

  it('refuse an entity without file columns', async () => {
    const home = await house(fresh, FAMILY)
    const install = on(home, runner => installFileTriggers(runner, Customer))
    await expect(install).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  it('silence the warning of cascades that nobody sees', async () => {
    const said: string[] = []
    const stop = onStorageEvent('warning', ({ code, message }) => said.push(`${code} ${message}`))
    const home = await installed(fresh, FAMILY)
    expect(said).toHaveLength(3)
    expect(said[0]).toMatch(/^CASCADE_UNSEEN When a row of Customer is deleted, .* rows of Letter/)
    await bindingOf(home.dataSource).bulk.warnOfCascades()
    stop()
    expect(said).toHaveLength(3)
  })
})

describeWithMariadb('MariaDB', () => {
  const fresh: FreshOptions = async () => ({ type: 'mariadb', url: (await freshMariadb()).url })

  it('has no file triggers, since its foreign keys fire none', async () => {
    const home = await house(fresh, [Order])
    await expect(on(home, installFileTriggers)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})
