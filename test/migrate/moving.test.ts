import { expect, it } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles } from '../../src/migrate/index.js'
import { ChaosDriver } from '../../src/testing/index.js'
import { reapOnce, rulesOf } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { upload } from '../typeorm/databases.js'
import { describeOnDatabases } from '../typeorm/on-databases.js'
import { HeldDriver, journalOf, linesOf, Parcel, readText, textsOf, town } from './town.js'

describeOnDatabases('migrateFiles', fresh => {
  it('points every row to the new place of its bytes, and leaves the old ones', async () => {
    const { backends, dataSource, parcels } = await town(fresh, 5)
    const before = await parcels.find({ order: { id: 'ASC' } })
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(report).toMatchObject({ rows: 5, moved: 5, failed: 0, skipped: 0, aborted: false, bytes: 40 })
    const after = await parcels.find({ order: { id: 'ASC' } })
    expect(after.map(({ file }) => file?.backend)).toEqual(Array(5).fill('new'))
    // Neither version nor the time of the last change moved.
    expect(after.map(({ file, ...row }) => ({ ...row, file: { ...file, backend: 'old' } }))).toEqual(
      before.map(({ file, ...row }) => ({ ...row, file: { ...file } })),
    )
    for (const { file } of after) expect(await readText(file)).toMatch(/^parcel/)
    expect(await keysIn(backends.old.list(''))).toHaveLength(5)
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 5, 'old kept': 5 })
  })

  it('has nothing to do the second time', async () => {
    const { dataSource } = await town(fresh, 3)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const again = await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(again).toMatchObject({ rows: 3, moved: 0, failed: 0, bytes: 0 })
  })

  it('moves the files of one tenant alone, and of rows that a condition picks', async () => {
    const { dataSource } = await town(fresh, 6)
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'globex' })).toMatchObject({
      moved: 3,
    })
    const where = { owner: 'acme', id: 1 }
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new', where })).toMatchObject({ moved: 1 })
    const texts = await textsOf(dataSource)
    expect(texts.map(text => JSON.parse(text).backend)).toEqual(['new', 'new', 'old', 'new', 'old', 'new'])
  })

  it('reports by row what it cannot move, leaves it as it is, and goes on', async () => {
    const { backends, dataSource, parcels } = await town(fresh, 6)
    const [missing, longer, other] = await textsOf(dataSource)
    const keyOf = (text = '') => `media/${JSON.parse(text).tenant}/${JSON.parse(text).key}`
    await backends.old.delete(keyOf(missing))
    for (const [text, body] of [
      [longer, 'parcel 1 and more'],
      [other, 'parcel X'],
    ]) {
      await backends.old.delete(keyOf(text))
      await backends.old.put(keyOf(text), Buffer.from(body ?? ''), { contentType: 'text/plain' })
    }
    await dataSource.query(`UPDATE parcel SET owner = 'initech' WHERE id = 4`)
    await dataSource.query(`UPDATE parcel SET file = '../../etc/passwd' WHERE id = 5`)
    const before = await textsOf(dataSource)
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'new', tenantOf: row => row.owner })
    expect(report).toMatchObject({ moved: 1, failed: 5, aborted: false })
    expect(report.failures.map(({ row, code }) => [row, code]).sort()).toEqual([
      ['["1"]', 'ERR_FILE_NOT_FOUND'],
      ['["2"]', 'ERR_FILE_CHANGED'],
      ['["3"]', 'ERR_FILE_CHANGED'],
      ['["4"]', 'ERR_TENANT_MISMATCH'],
      ['["5"]', expect.stringMatching(/ERR_TENANT_MISMATCH|ERR_BACKEND_UNKNOWN/)],
    ])
    expect((await textsOf(dataSource)).slice(0, 5)).toEqual(before.slice(0, 5))
    expect((await journalOf(dataSource)).map(([state]) => state).sort()).toEqual([
      ...Array(5).fill('failed'),
      'moved',
    ])
    expect(await parcels.count()).toBe(6)
  })

  it('overwrites nothing at the new place, takes what is the same, and never deletes a stranger', async () => {
    const { backends, dataSource } = await town(fresh, 2)
    const [one, two] = (await textsOf(dataSource)).map(text => JSON.parse(text))
    await backends.new.put(`media/acme/${one.key}`, Buffer.from('parcel 0'), { contentType: 'text/plain' })
    await backends.new.put(`media/globex/${two.key}`, Buffer.from('stranger'), { contentType: 'text/plain' })
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(report).toMatchObject({ moved: 1, failed: 1, failures: [{ code: 'ERR_FILE_EXISTS' }] })
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 1, 'old kept': 1, 'old attached': 1 })
  })

  it('takes nothing for its own that is only as long, whatever verify says', async () => {
    const { backends, dataSource } = await town(fresh, 1)
    const [{ key }] = (await textsOf(dataSource)).map(text => JSON.parse(text))
    await backends.new.put(`media/acme/${key}`, Buffer.from('parcel X'), { contentType: 'text/plain' })
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new', verify: 'size' })).toMatchObject({
      ...{ moved: 0, failures: [{ code: 'ERR_FILE_EXISTS' }] },
    })
  })

  it('moves a file whose bytes had been changed as soon as they are restored', async () => {
    const { backends, dataSource } = await town(fresh, 1)
    const [{ key }] = (await textsOf(dataSource)).map(text => JSON.parse(text))
    const put = async (body: string) => {
      await backends.old.delete(`media/acme/${key}`)
      await backends.old.put(`media/acme/${key}`, Buffer.from(body), { contentType: 'text/plain' })
    }
    await put('parcel X')
    const move = () => migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(await move()).toMatchObject({ moved: 0, failures: [{ code: 'ERR_FILE_CHANGED' }] })
    expect(await keysIn(backends.new.list(''))).toEqual([])
    await put('parcel 0')
    expect(await move()).toMatchObject({ moved: 1, failed: 0 })
  })

  it('gives each of two old rows that share a file a copy of its own', async () => {
    const { dataSource, parcels } = await town(fresh, 1)
    const [text] = await textsOf(dataSource)
    await dataSource.query(
      `INSERT INTO parcel (owner, version, changed, file) SELECT owner, version, changed, file FROM parcel`,
    )
    expect(await textsOf(dataSource)).toEqual([text, text])
    expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({ moved: 2 })
    const [one, two] = await parcels.find({ order: { id: 'ASC' } })
    expect(one?.file?.key).not.toBe(two?.file?.key)
    for (const parcel of [one, two]) expect(await readText(parcel?.file)).toBe('parcel 0')
  })

  it('leaves a row alone that was replaced or removed while its copy was made', async () => {
    const held = new HeldDriver()
    const { storage, dataSource, parcels } = await town(fresh, 3, { old: held, new: new MemoryDriver() })
    const moving = migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    await held.asked
    const [first, second] = await parcels.find({ order: { id: 'ASC' } })
    if (first === undefined || second === undefined) throw new Error('no parcels')
    first.file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: 'replaced' })
    await parcels.save(first)
    await parcels.remove(second)
    await reapOnce(storage)
    held.letGo()
    expect(await moving).toMatchObject({ moved: 1, skipped: 2, failed: 0 })
    const left = await parcels.find({ order: { id: 'ASC' } })
    expect(left.map(({ file }) => file?.backend)).toEqual(['old', 'new'])
    expect(await linesOf(dataSource)).toMatchObject({ 'new attached': 1, 'old attached': 1, 'old kept': 1 })
  })

  it('stays on the new backend when an entity is saved that was loaded before', async () => {
    const { dataSource, parcels } = await town(fresh, 2)
    const loaded = await parcels.find({ order: { id: 'ASC' } })
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    for (const parcel of loaded) await parcels.save(Object.assign(parcel, { owner: 'new owner' }))
    const after = await parcels.find()
    expect(after.map(({ file, owner }) => [file?.backend, owner])).toEqual(
      Array(2).fill(['new', 'new owner']),
    )
    for (const { file } of after) expect(await readText(file)).toMatch(/^parcel/)
  })

  it('ends when its signal says so, and goes on where it was the next time', async () => {
    const { dataSource } = await town(fresh, 30)
    const ended = await migrateFiles({ dataSource, entity: Parcel, to: 'new', signal: AbortSignal.abort() })
    expect(ended).toMatchObject({ moved: 0, failed: 0, aborted: true })
    const abort = new AbortController()
    const slow = migrateFiles({
      ...{ dataSource, entity: Parcel, to: 'new', concurrency: 1, rate: 160, signal: abort.signal },
    })
    setTimeout(() => abort.abort(), 300)
    const first = await slow
    expect(first).toMatchObject({ failed: 0, aborted: true })
    const second = await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(first.moved + second.moved).toBe(30)
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 30, 'old kept': 30 })
  })

  it.each([
    ['15mb', 1],
    [undefined, 6],
  ])('holds the memory of few large files where a rate makes them wait: %s', async (rate, large) => {
    class Counting extends MemoryDriver {
      most = { large: 0, small: 0 }
      readonly #now = { large: 0, small: 0 }

      override async put(...call: Parameters<MemoryDriver['put']>) {
        const kind = (call[2].size ?? 0) > 1024 * 1024 ? 'large' : 'small'
        this.most[kind] = Math.max(this.most[kind], ++this.#now[kind])
        try {
          await new Promise(resolve => setTimeout(resolve, 20))
          return await super.put(...call)
        } finally {
          this.#now[kind]--
        }
      }
    }
    const backends = { old: new MemoryDriver(), new: new Counting() }
    const { storage, dataSource, parcels } = await town(fresh, 6, backends)
    for (let n = 0; n < 6; n++) {
      const file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: `${n}`.repeat(1_100_000) })
      await parcels.save(parcels.create({ file, owner: 'acme' }))
    }
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'new', rate })
    expect(report).toMatchObject({ moved: 12, failed: 0 })
    expect(backends.new.most).toEqual({ large, small: 6 })
  })

  it('shares the work with a second runner', async () => {
    const { dataSource } = await town(fresh, 20)
    const run = () => migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const [one, two] = await Promise.all([run(), run()])
    expect(one.moved + two.moved).toBe(20)
    expect(one.failed + two.failed + one.skipped + two.skipped).toBe(0)
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 20, 'old kept': 20 })
  })

  it('shares the work of many runs on one DataSource', async () => {
    const { dataSource } = await town(fresh, 30)
    const runs = Array.from({ length: 8 }, () => migrateFiles({ dataSource, entity: Parcel, to: 'new' }))
    const reports = await Promise.all(runs)
    expect(reports.reduce((sum, { moved }) => sum + moved, 0)).toBe(30)
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 30, 'old kept': 30 })
  })

  it('stops early where the new backend denies everything', async () => {
    const denying = new ChaosDriver(new MemoryDriver(), {
      rules: [{ method: 'put', fault: { kind: 'error', code: 'ERR_BACKEND_DENIED' } }],
    })
    const { dataSource } = await town(fresh, 60, { old: new MemoryDriver(), new: denying })
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'new', concurrency: 1 })
    expect(report).toMatchObject({ moved: 0, failed: 50, aborted: true, stoppedBy: 'ERR_BACKEND_DENIED' })
    expect(await linesOf(dataSource)).toMatchObject({ 'old attached': 60 })
  })

  it.each([
    [{ to: 'nowhere' }, 'ERR_BACKEND_UNKNOWN'],
    [{ to: 'new', from: 'nowhere' }, 'ERR_BACKEND_UNKNOWN'],
    [{ to: 'new', from: 'new' }, 'ERR_CONFIG'],
    [{ to: 'new', property: 'owner' }, 'ERR_CONFIG'],
    [{ to: 'new', concurrency: 0 }, 'ERR_CONFIG'],
    [{ to: 'new', verify: 'maybe' as 'size' }, 'ERR_CONFIG'],
    [{ to: 'new', typo: true } as { to: string }, 'ERR_CONFIG'],
  ])('refuses %j with %s', async (options, code) => {
    const { dataSource } = await town(fresh, 0)
    await expect(migrateFiles({ dataSource, entity: Parcel, ...options })).rejects.toMatchObject({ code })
  })
})
