import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import {
  type AdoptOptions,
  adoptFiles,
  migrateFiles,
  rollbackAdoption,
  rollbackFiles,
} from '../../src/migrate/index.js'
import { reapOnce, reconcile } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { ledgerOf } from '../typeorm/databases.js'
import { describeOnDatabases } from '../typeorm/on-databases.js'
import { insertOld, oldTown, Paper, putOld } from './old-town.js'
import { HeldDriver, journalOf, linesOf, readText, textsOf } from './town.js'

const shaOf = (text: string) => createHash('sha256').update(text).digest('hex')

describeOnDatabases('adoptFiles', fresh => {
  const PATHS = ['uploads/acme/2019/report.csv', 'uploads/acme/Ünïcode ünd spaces/PAGE 1.HTML', '', '  ']

  async function adopted(texts: readonly string[], options: Partial<AdoptOptions<Paper>> = {}) {
    const town = await oldTown(fresh, texts)
    for (const text of new Set(texts)) if (text.trim() !== '') await putOld(town.backends, text, `of ${text}`)
    return { ...town, adopt: () => adoptFiles({ dataSource: town.dataSource, entity: Paper, ...options }) }
  }

  it('writes what it finds in the bytes, which stay where they are, and touches nothing else of the row', async () => {
    const { dataSource, backends, papers, adopt } = await oldTown(fresh, PATHS).then(town => ({
      ...town,
      adopt: () => adoptFiles({ dataSource: town.dataSource, entity: Paper }),
    }))
    await putOld(backends, PATHS[0] ?? '', 'a;b')
    await putOld(backends, PATHS[1] ?? '', '<!doctype html><script>1</script>')
    const before = await papers.find({ order: { id: 'ASC' } })
    const keys = await keysIn(backends.old.list(''))
    expect(await adopt()).toMatchObject({
      rows: 4,
      adopted: 2,
      copied: 0,
      skipped: 0,
      failed: 0,
      aborted: false,
    })
    const texts = await textsOf(dataSource, 'paper')
    expect(texts.slice(2)).toEqual(['', '  '])
    expect(JSON.parse(texts[0] ?? '')).toEqual({
      ...{ v: 1, disk: 'media', backend: 'old', tenant: 'acme', key: '2019/report.csv', name: 'report.csv' },
      ...{ size: 3, type: 'text/csv', sha256: shaOf('a;b') },
    })
    expect(JSON.parse(texts[1] ?? '')).toMatchObject({
      key: 'Ünïcode ünd spaces/PAGE 1.HTML',
      type: 'text/html',
    })
    const after = await papers.find({ order: { id: 'ASC' } })
    expect(after.map(({ version, changed }) => [version, changed])).toEqual(
      before.map(({ version, changed }) => [version, changed]),
    )
    expect(await readText(after[0]?.file)).toBe('a;b')
    expect(await keysIn(backends.old.list(''))).toEqual(keys)
    expect(await linesOf(dataSource)).toEqual({ 'old attached': 2 })
    expect(
      (await ledgerOf(dataSource)).map(({ size, expires_at }) => [Number(size), expires_at]),
    ).toContainEqual([3, null])
    expect(await adopt()).toMatchObject({ adopted: 0, failed: 0 })
    expect(await reconcile({ dataSource, grace: 0 })).toMatchObject({ counts: {} })
  })

  it('is taken back byte for byte, and can be done again then without a copy', async () => {
    const { dataSource, adopt } = await adopted(PATHS)
    await adopt()
    const back = await rollbackAdoption({ dataSource, entity: Paper, tenant: 'acme' })
    expect(back).toMatchObject({ entity: 'Paper', restored: 2, skipped: 0, failed: 0, aborted: false })
    expect(await textsOf(dataSource, 'paper')).toEqual(PATHS)
    expect(await rollbackAdoption({ dataSource, entity: Paper })).toMatchObject({ restored: 0 })
    expect(await adopt()).toMatchObject({ adopted: 2, copied: 0, failed: 0 })
    expect(await linesOf(dataSource)).toEqual({ 'old attached': 2 })
  })

  it('leaves bytes alone whose lines reconcile, or a move that was taken back, has written before', async () => {
    const { dataSource, backends, adopt } = await adopted(PATHS)
    await reconcile({ dataSource, grace: 0, fix: 'attach' })
    await migrateFiles({ dataSource, entity: Paper, to: 'new', where: { id: 1 } })
    await rollbackFiles({ dataSource, entity: Paper, to: 'new' })
    expect(await linesOf(dataSource)).toMatchObject({ 'old attached': 2 })
    expect(await adopt()).toMatchObject({ adopted: 2, copied: 0, failed: 0 })
    expect(await keysIn(backends.old.list(''))).toHaveLength(2)
  })

  it('gives each row that shares a path a copy of its own, so that removing one takes no bytes from the others', async () => {
    const shared = 'uploads/acme/shared dir/terms.txt'
    const { storage, dataSource, backends, papers, adopt } = await adopted([shared, shared, shared])
    expect(await adopt()).toMatchObject({ adopted: 3, copied: 2, failed: 0 })
    const rows = await papers.find({ order: { id: 'ASC' } })
    expect(new Set(rows.map(({ file }) => file?.key)).size).toBe(3)
    expect(rows.map(({ file }) => file?.name)).toEqual(Array(3).fill('terms.txt'))
    const [first, ...others] = rows
    if (first === undefined) throw new Error('no rows')
    await papers.remove(first)
    await reapOnce(storage)
    for (const { file } of others) expect(await readText(file)).toBe(`of ${shared}`)
    // A row that comes later, with the path of one that was adopted.
    await insertOld(dataSource, [shared])
    expect(await adopt()).toMatchObject({ failed: 1, failures: [{ code: 'ERR_FILE_NOT_FOUND' }] })
    expect(await keysIn(backends.old.list(''))).toHaveLength(2)
  })

  it('copies for a row that came after its brother was adopted, and gives the copy up when it is taken back', async () => {
    const shared = 'uploads/acme/terms.txt'
    const { dataSource, papers, adopt } = await adopted([shared])
    await adopt()
    await insertOld(dataSource, [shared])
    expect(await adopt()).toMatchObject({ adopted: 1, copied: 1 })
    await rollbackAdoption({ dataSource, entity: Paper })
    expect(await textsOf(dataSource, 'paper')).toEqual([shared, shared])
    for (const { file } of await papers.find()) expect(await readText(file)).toBe(`of ${shared}`)
    const lines = await ledgerOf(dataSource)
    expect(lines.map(({ state, expires_at }) => [state, expires_at !== null]).sort()).toEqual([
      ['attached', false],
      ['kept', true],
    ])
  })

  it('says of every row that stays as it is why', async () => {
    const rows: [text: string, code: string][] = [
      ['uploads/acme/../globex/secret.txt', 'ERR_KEY_INVALID'],
      ['uploads/acme/../../etc/passwd', 'ERR_KEY_INVALID'],
      ['/etc/passwd', 'ERR_TENANT_MISMATCH'],
      ['uploads/acme//secret.txt', 'ERR_KEY_INVALID'],
      ['uploads/acme/a\\..\\b', 'ERR_KEY_INVALID'],
      ['uploads/no such tenant/a.txt', 'ERR_TENANT_INVALID'],
      ['a.txt', 'ERR_KEY_INVALID'],
      ['uploads/globex/secret.txt', 'ERR_TENANT_MISMATCH'],
      ['uploads/acme/gone.txt', 'ERR_FILE_NOT_FOUND'],
      ['uploads/acme/empty.txt', 'ERR_FILE_EMPTY'],
      ['uploads/acme/\u202egnp.exe', 'ERR_FILE_NAME'],
      ['{"v":2,"disk":"media"}', 'ERR_BACKEND_UNKNOWN'],
    ]
    const texts = rows.map(([text]) => text)
    const { dataSource, backends, adopt } = await oldTown(fresh, [...texts, 'uploads/acme/good.txt']).then(
      town => ({
        ...town,
        adopt: (dryRun: boolean) =>
          adoptFiles({ dataSource: town.dataSource, entity: Paper, tenantOf: row => row.owner, dryRun }),
      }),
    )
    await putOld(backends, 'uploads/globex/secret.txt', 'secret')
    await putOld(backends, 'uploads/acme/\u202egnp.exe', 'x')
    await putOld(backends, 'uploads/acme/empty.txt', '')
    await putOld(backends, 'uploads/acme/good.txt', 'good')
    const told = ({ failures }: Awaited<ReturnType<typeof adopt>>) =>
      failures.map(({ row, code }) => [texts[JSON.parse(row)[0] - 1], code]).sort()
    const plan = await adopt(true)
    expect(plan).toMatchObject({ dryRun: true, adopted: 1, failed: rows.length, bytes: 4 })
    expect(told(plan)).toEqual([...rows].sort())
    expect(await dataSource.createQueryRunner().hasTable('file_migration')).toBe(false)
    const report = await adopt(false)
    expect(report).toMatchObject({ dryRun: false, adopted: 1, failed: rows.length, bytes: 4, aborted: false })
    expect(told(report)).toEqual([...rows].sort())
    expect((await textsOf(dataSource, 'paper')).slice(0, -1)).toEqual(texts)
    expect(await linesOf(dataSource)).toEqual({ 'old attached': 1 })
  })

  it('says before how many rows share a path, and writes nothing', async () => {
    const { dataSource, adopt } = await adopted(
      ['uploads/acme/a.txt', 'uploads/acme/b.txt', 'uploads/acme/a.txt'],
      {
        dryRun: true,
      },
    )
    const texts = await textsOf(dataSource, 'paper')
    expect(await adopt()).toMatchObject({ dryRun: true, adopted: 3, copied: 1, failed: 0 })
    expect(await textsOf(dataSource, 'paper')).toEqual(texts)
    expect(await ledgerOf(dataSource)).toEqual([])
  })

  it('leaves a row that is changed or removed while its bytes are read', async () => {
    const old = new HeldDriver()
    const texts = ['uploads/acme/a.txt', 'uploads/acme/b.txt', 'uploads/acme/c.txt']
    const { dataSource, backends } = await oldTown(fresh, texts, { old, new: new MemoryDriver() })
    for (const text of texts) await putOld(backends, text, text)
    const running = adoptFiles({ dataSource, entity: Paper })
    await old.asked
    await dataSource.query(`UPDATE paper SET file = 'uploads/acme/c.txt' WHERE id = 1`)
    await dataSource.query(`DELETE FROM paper WHERE id = 2`)
    old.letGo()
    expect(await running).toMatchObject({ adopted: 1, skipped: 2, failed: 0 })
    expect((await journalOf(dataSource)).map(([state]) => state)).toEqual(['skipped', 'skipped', 'moved'])
    expect((await textsOf(dataSource, 'paper'))[0]).toBe('uploads/acme/c.txt')
    // The next run finds the new path.
    expect(await adoptFiles({ dataSource, entity: Paper })).toMatchObject({ adopted: 1, copied: 1 })
  })

  it('keeps the adopted text when an entity is saved that was loaded with its path', async () => {
    const { papers, adopt } = await adopted(['uploads/acme/a.txt'])
    const loaded = await papers.findOneByOrFail({ id: 1 })
    await adopt()
    await papers.save(Object.assign(loaded, { owner: 'globex' }))
    const after = await papers.findOneByOrFail({ id: 1 })
    expect(after).toMatchObject({ owner: 'globex', file: { size: 21, type: 'text/plain' } })
    expect(await readText(after.file)).toBe('of uploads/acme/a.txt')
  })

  it('refuses a save that was begun with a shared path whose row has a copy by now', async () => {
    const shared = 'uploads/acme/terms.txt'
    const { papers, adopt } = await adopted([shared, shared])
    const loaded = await papers.find({ order: { id: 'ASC' } })
    await adopt()
    const [first, second] = loaded
    await papers.save(Object.assign(first ?? {}, { owner: 'globex' }))
    await expect(papers.save(Object.assign(second ?? {}, { owner: 'globex' }))).rejects.toMatchObject({
      code: 'ERR_FILE_STALE',
    })
    const after = await papers.find({ order: { id: 'ASC' } })
    expect(after.map(({ owner }) => owner)).toEqual(['globex', 'acme'])
    for (const { file } of after) expect(await readText(file)).toBe(`of ${shared}`)
  })

  it('leaves a row alone that was moved since, until the move is taken back', async () => {
    const paths = ['uploads/acme/a.txt', 'uploads/globex/b.txt']
    const { dataSource, papers, adopt } = await adopted(paths)
    await adopt()
    await migrateFiles({ dataSource, entity: Paper, to: 'new', tenant: 'acme' })
    expect(await rollbackAdoption({ dataSource, entity: Paper })).toMatchObject({ restored: 1, skipped: 1 })
    expect((await papers.findOneByOrFail({ id: 1 })).file?.backend).toBe('new')
    await rollbackFiles({ dataSource, entity: Paper, to: 'new' })
    expect(await rollbackAdoption({ dataSource, entity: Paper })).toMatchObject({ restored: 1, skipped: 0 })
    expect(await textsOf(dataSource, 'paper')).toEqual(paths)
  })

  it('refuses options and columns that make no sense', async () => {
    const { dataSource } = await adopted([])
    for (const options of [{ concurrency: 0 }, { property: 'owner' }, { to: 'new' }, { rate: 'fast' }])
      await expect(adoptFiles({ dataSource, entity: Paper, ...options } as never)).rejects.toMatchObject({
        code: 'ERR_CONFIG',
      })
  })
})
