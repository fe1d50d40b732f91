import { expect, it } from 'vitest'
import { migrateFiles, pruneFiles, rollbackFiles } from '../../src/migrate/index.js'
import { reapOnce, rulesOf } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { upload } from '../typeorm/databases.js'
import { describeOnDatabases } from '../typeorm/on-databases.js'
import { journalOf, linesOf, Parcel, readText, textsOf, timePasses, town } from './town.js'

describeOnDatabases('rollbackFiles', fresh => {
  it('gives every row its old text again, byte for byte, and keeps the copies', async () => {
    const { dataSource, parcels } = await town(fresh, 5)
    // Written by somebody else, and not as we would.
    await dataSource.query(`UPDATE parcel SET file = REPLACE(file, '{"v":1,', '{ "v": 1, ') WHERE id = 2`)
    const before = await parcels.find({ order: { id: 'ASC' } })
    const texts = await textsOf(dataSource)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const report = await rollbackFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(report).toMatchObject({ restored: 5, skipped: 0, failed: 0, aborted: false })
    expect(await textsOf(dataSource)).toEqual(texts)
    expect(await parcels.find({ order: { id: 'ASC' } })).toEqual(before)
    for (const { file } of before) expect(await readText(file)).toMatch(/^parcel/)
    expect(await linesOf(dataSource)).toEqual({ 'old attached': 5, 'new kept': 5 })
  })

  it('lets the rows move again afterwards, by the copies that are there', async () => {
    const { dataSource } = await town(fresh, 3)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    await rollbackFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({ moved: 3 })
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 3, 'old kept': 3 })
  })

  it('leaves rows that have another file by now or are gone, and takes one tenant back alone', async () => {
    const { storage, dataSource, parcels } = await town(fresh, 6)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const [first, , third] = await parcels.find({ order: { id: 'ASC' } })
    if (first === undefined || third === undefined) throw new Error('no parcels')
    first.file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: 'replaced' })
    await parcels.save(first)
    await parcels.remove(third)
    const report = await rollbackFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'acme' })
    expect(report).toMatchObject({ restored: 1, skipped: 2, failed: 0 })
    const left = await parcels.find({ order: { id: 'ASC' } })
    expect(left.map(({ file }) => [file?.tenant, file?.backend])).toEqual([
      ['acme', 'old'], // uploaded there just now
      ['globex', 'new'],
      ['globex', 'new'],
      ['acme', 'old'],
      ['globex', 'new'],
    ])
    for (const { file } of left) expect(await readText(file)).toMatch(/^parcel|^replaced/)
  })

  it('leaves a row at its new place whose old bytes are gone, and says so', async () => {
    const { backends, dataSource } = await town(fresh, 2)
    const { key } = JSON.parse((await textsOf(dataSource))[0] ?? '')
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    await backends.old.delete(`media/acme/${key}`)
    const report = await rollbackFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(report).toMatchObject({
      restored: 1,
      failed: 1,
      failures: [{ row: '["1"]', code: 'ERR_FILE_NOT_FOUND' }],
    })
    expect((await textsOf(dataSource)).map(text => JSON.parse(text).backend)).toEqual(['new', 'old'])
  })
})

describeOnDatabases('pruneFiles', fresh => {
  it('hands the old bytes to the reaper once they are old enough, and never before', async () => {
    const { backends, storage, dataSource, parcels } = await town(fresh, 4)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const prune = () => pruneFiles({ dataSource, entity: Parcel, to: 'new', keep: 30 })
    expect(await prune()).toMatchObject({ pruned: 0, skipped: 0, failed: 0 })
    await timePasses(dataSource, 31)
    expect(await prune()).toMatchObject({ pruned: 4, skipped: 0, failed: 0 })
    await reapOnce(storage)
    expect(await keysIn(backends.old.list(''))).toEqual([])
    for (const { file } of await parcels.find()) expect(await readText(file)).toMatch(/^parcel/)
    expect(await journalOf(dataSource)).toEqual(Array(4).fill(['pruned', null]))
    expect(await prune()).toMatchObject({ pruned: 0, skipped: 0, failed: 0 })
  })

  it('leaves what a row still names, and what is not whole at its new place', async () => {
    const { backends, storage, dataSource } = await town(fresh, 4)
    const texts = await textsOf(dataSource)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const keyOf = (index: number) => {
      const { tenant, key } = JSON.parse(texts[index] ?? '')
      return `media/${tenant}/${key}`
    }
    // The first by hand, another row by an old path, the third lost its copy, the fourth was cut off.
    await dataSource.query(`UPDATE parcel SET file = '${texts[0]}' WHERE id = 1`)
    await dataSource.query(
      `INSERT INTO parcel (owner, version, changed, file) SELECT owner, version, changed, '${texts[1]}' FROM parcel WHERE id = 1`,
    )
    await backends.new.delete(keyOf(2))
    await backends.new.delete(keyOf(3))
    await backends.new.put(keyOf(3), Buffer.from('par'), { contentType: 'text/plain' })
    await timePasses(dataSource, 31)
    const report = await pruneFiles({ dataSource, entity: Parcel, to: 'new', keep: 30 })
    expect(report).toMatchObject({ pruned: 0, skipped: 2, failed: 2 })
    expect(report.failures.map(({ row, code }) => [row, code]).sort()).toEqual([
      ['["3"]', 'ERR_FILE_NOT_FOUND'],
      ['["4"]', 'ERR_FILE_CHANGED'],
    ])
    await reapOnce(storage)
    expect(await keysIn(backends.old.list(''))).toHaveLength(4)
  })

  it('gives up the old bytes of removed and replaced rows, and the copies of a move that was taken back', async () => {
    const { backends, storage, dataSource, parcels } = await town(fresh, 4)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'acme' })
    const [first] = await parcels.find({ order: { id: 'ASC' } })
    if (first === undefined) throw new Error('no parcels')
    await parcels.remove(first)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'globex' })
    await rollbackFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'globex' })
    await timePasses(dataSource, 31)
    expect(await pruneFiles({ dataSource, entity: Parcel, to: 'new', keep: 30 })).toMatchObject({
      ...{ pruned: 4, skipped: 0, failed: 0 },
    })
    await reapOnce(storage)
    expect(await keysIn(backends.old.list(''))).toHaveLength(2)
    expect(await keysIn(backends.new.list(''))).toHaveLength(1)
    for (const { file } of await parcels.find()) expect(await readText(file)).toMatch(/^parcel/)
  })

  it('refuses to keep files for a shorter time than their addresses live', async () => {
    const { dataSource } = await town(fresh, 0)
    for (const keep of [6, -1, Number.NaN])
      await expect(pruneFiles({ dataSource, entity: Parcel, to: 'new', keep })).rejects.toMatchObject({
        code: 'ERR_CONFIG',
      })
    await expect(pruneFiles({ dataSource, entity: Parcel, to: 'new', keep: 7 })).resolves.toMatchObject({
      pruned: 0,
    })
  })
})
