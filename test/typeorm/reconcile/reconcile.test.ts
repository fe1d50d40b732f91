import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { toColumnText } from '../../../src/core/column-value.js'
import type { StoredFile } from '../../../src/core/stored-file.js'
import { runWithTenant } from '../../../src/core/tenant.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import {
  type Finding,
  formatReport,
  type ReconcileOptions,
  type ReconcileReport,
  reapOnce,
  reconcile,
} from '../../../src/typeorm/index.js'
import { type House, house, ledgerOf, memoryStorage, stateOf, upload } from '../databases.js'
import { Contract, Folder, Media, ORDER_RULES, Order, Picture, TicketSchema, Video } from '../entities.js'
import { describeOnDatabases } from '../on-databases.js'

const TEXT = { contentType: 'text/plain' }
const keyOf = (file: StoredFile) => `media/${file.tenant}/${file.key}`

interface Place extends House {
  memory: MemoryDriver
}

describeOnDatabases('reconcile', fresh => {
  async function place(more: Parameters<typeof house>[2] = {}): Promise<Place> {
    const memory = new MemoryDriver()
    const storage = memoryStorage({ memory })
    const entities = [Order, Contract, Folder, Media, Picture, Video, TicketSchema]
    return { memory, ...(await house(fresh, entities, { storage, ...more })) }
  }

  async function look({ dataSource }: House, more: Partial<ReconcileOptions> = {}): Promise<ReconcileReport> {
    await sleep(20) // so that what was just done is older than nothing
    return reconcile({ dataSource, grace: 0, ...more })
  }

  const brief = ({ findings }: ReconcileReport) =>
    findings.map(({ kind, objectKey }) => [kind, objectKey]).sort()

  async function saved(home: House, body = 'hello', tenant = 'acme'): Promise<Order & { file: StoredFile }> {
    const repo = home.dataSource.getRepository(Order)
    const order = await repo.save(repo.create({ file: await upload(home, ORDER_RULES, { body, tenant }) }))
    return order as Order & { file: StoredFile }
  }

  const sql = (home: House, statement: string) => home.dataSource.query(statement)
  const forget = (home: House, file: StoredFile) =>
    sql(home, `DELETE FROM file_ledger WHERE object_key LIKE '%${file.key}'`)
  const table = (home: House) => home.dataSource.driver.escape('order')

  /** A row that TypeORM knows nothing of. */
  const write = (home: House, file: StoredFile) =>
    sql(home, `INSERT INTO ${table(home)} (file) VALUES ('${toColumnText(file)}')`)

  it('finds nothing where nothing is wrong', async () => {
    const home = await place()
    const { manager } = home.dataSource
    const order = await saved(home)
    await saved(home, 'others', 'acme-corp')
    order.file = await upload(home, ORDER_RULES)
    await manager.save(order) // the old file waits for its deletion
    await upload(home, ORDER_RULES) // and this one for its row
    await manager.save(
      manager.create(Contract, {
        id: 1,
        draft: await upload(home, { folder: 'contracts' }),
        avatar: await upload(home, { disk: 'public-media', folder: 'avatars' }),
      }),
    )
    await manager.save(
      manager.create(Folder, {
        attachment: await upload(home, { folder: 'inherited' }),
        meta: { scan: await upload(home, { folder: 'scans' }) },
      }),
    )
    await manager.save(manager.create(Picture, { picture: await upload(home, { folder: 'pictures' }) }))
    await manager.save(manager.create(Video, { video: await upload(home, { folder: 'videos' }) }))
    await manager.save('Ticket', { attachment: await upload(home, { folder: 'tickets' }) })
    await home.memory.put('static/css/app.css', Buffer.from('a'), TEXT)
    const report = await look(home, { check: 'bytes' })
    expect(report.findings).toEqual([])
    expect(report.compared).toEqual({ files: 9, keys: 11, objects: 11, lines: 11, read: 9 })
    expect(formatReport(report)).toContain('Nothing is wrong.')
  })

  it('finds every fault that was planted, and no other', async () => {
    const home = await place()
    const planted: [string, string][] = []
    const plant = (kind: string, key: string) => planted.push([kind, key])
    for (let i = 0; i < 5; i++) await saved(home)

    await home.memory.put('media/acme/order_files/stray é.txt', Buffer.from('a'), TEXT)
    plant('orphan', 'media/acme/order_files/stray é.txt')
    await home.memory.put('media/_what/is/this', Buffer.from('a'), TEXT)
    plant('unknown-key', 'media/_what/is/this')

    const gone = await saved(home)
    await home.memory.delete(keyOf(gone.file))
    plant('dangling', keyOf(gone.file))

    const unledgered = await saved(home)
    await forget(home, unledgered.file)
    plant('row-without-line', keyOf(unledgered.file))

    const silent = await upload(home, ORDER_RULES)
    await write(home, silent)
    plant('row-unclaimed', keyOf(silent))

    const deleted = await saved(home)
    await sql(home, `DELETE FROM ${table(home)} WHERE id = ${deleted.id}`)
    plant('line-without-row', keyOf(deleted.file))

    const vanished = await saved(home)
    await sql(home, `DELETE FROM ${table(home)} WHERE id = ${vanished.id}`)
    await home.memory.delete(keyOf(vanished.file))
    plant('line-without-object', keyOf(vanished.file))

    const cut = await saved(home)
    await home.memory.put(keyOf(cut.file), Buffer.from('hell'), TEXT)
    plant('size-differs', keyOf(cut.file))

    const changed = await saved(home)
    await home.memory.put(keyOf(changed.file), Buffer.from('jello'), TEXT)
    plant('sha-differs', keyOf(changed.file))

    const twice = await saved(home)
    await sql(
      home,
      `INSERT INTO ${table(home)} (file) SELECT file FROM ${table(home)} WHERE id = ${twice.id}`,
    )
    plant('two-rows', keyOf(twice.file))

    const misled = await saved(home)
    await sql(home, `UPDATE file_ledger SET tenant = 'other' WHERE object_key LIKE '%${misled.file.key}'`)
    plant('wrong-tenant', keyOf(misled.file))

    await sql(home, `INSERT INTO ${table(home)} (file) VALUES ('what is this')`)
    plant('unreadable', '')

    const before = await ledgerOf(home.dataSource)
    const report = await look(home, { check: 'bytes' })
    // The bytes of the cut file are others too.
    expect(brief(report)).toEqual([...planted, ['sha-differs', keyOf(cut.file)]].sort())
    expect(await ledgerOf(home.dataSource)).toEqual(before)

    const [dangling] = report.findings.filter(({ kind }) => kind === 'dangling')
    expect(dangling).toEqual({
      kind: 'dangling',
      backend: 'memory',
      objectKey: keyOf(gone.file),
      disk: 'media',
      tenant: 'acme',
      rows: [{ field: 'Order.file', id: { id: String(gone.id) } }],
      state: 'attached',
      says: 'A row holds this file, and its bytes are not there.',
    } satisfies Finding)
    expect(formatReport(report)).toContain(
      `dangling memory: ${keyOf(gone.file)} (Order.file, id ${gone.id}).`,
    )
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  it('gives rows their lines, and nothing else, with attach', async () => {
    const home = await place()
    const unledgered = await saved(home)
    await forget(home, unledgered.file)
    const silent = await upload(home, ORDER_RULES)
    await write(home, silent)
    await home.memory.put('media/acme/order_files/stray.txt', Buffer.from('a'), TEXT)

    const report = await look(home, { fix: 'attach' })
    expect(report.findings.map(({ kind, mended }) => [kind, mended]).sort()).toEqual([
      ['orphan', undefined],
      ['row-unclaimed', 'attached'],
      ['row-without-line', 'attached'],
    ])
    expect(report.mended).toBe(2)
    expect(await stateOf(home.dataSource, silent)).toBe('attached')
    expect(await stateOf(home.dataSource, unledgered.file)).toBe('attached')
    expect((await look(home)).counts).toMatchObject({ orphan: 1, 'row-unclaimed': 0, 'row-without-line': 0 })
  })

  it('saves a file whose row came back, before the reaper takes it', async () => {
    const home = await place()
    const order = await saved(home)
    await home.dataSource.manager.remove(order)
    await write(home, order.file)
    const report = await look(home, { fix: 'attach' })
    expect(report.findings).toMatchObject([{ kind: 'row-unclaimed', state: 'delete', mended: 'attached' }])
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 0 })
    expect((await look(home)).findings).toEqual([])
  })

  it('hands what no row holds to the reaper with all, and deletes no object itself', async () => {
    const home = await place()
    const deleted = await saved(home)
    await sql(home, `DELETE FROM ${table(home)} WHERE id = ${deleted.id}`)
    await home.memory.put('media/acme/order_files/stray.txt', Buffer.from('a'), TEXT)
    const report = await look(home, { fix: 'all' })
    expect(report.findings.map(({ kind, mended }) => [kind, mended]).sort()).toEqual([
      ['line-without-row', 'queued'],
      ['orphan', 'queued'],
    ])
    const lines = await ledgerOf(home.dataSource)
    expect(lines.map(({ state, tenant }) => [state, tenant])).toEqual([
      ['delete', 'acme'],
      ['delete', 'acme'],
    ])
    expect((await home.memory.head(keyOf(deleted.file))).size).toBe(5)
    expect((await look(home)).findings).toEqual([])
    expect(await reapOnce(home.storage)).toMatchObject({ deleted: 2 })
    expect(await ledgerOf(home.dataSource)).toEqual([])
  })

  it('leaves alone what is younger than the grace', async () => {
    const home = await place()
    const deleted = await saved(home)
    await sql(home, `DELETE FROM ${table(home)} WHERE id = ${deleted.id}`)
    await home.memory.put('media/acme/order_files/stray.txt', Buffer.from('a'), TEXT)
    expect((await look(home, { fix: 'all', grace: undefined })).findings).toEqual([])
    expect(await stateOf(home.dataSource, deleted.file)).toBe('attached')
  })

  it('looks at one tenant, at a prefix or at some entities only', async () => {
    const home = await place()
    for (const key of ['media/acme/order_files/1', 'media/acme-corp/order_files/2', 'media/acme/other/3'])
      await home.memory.put(key, Buffer.from('a'), TEXT)
    const keys = async (more: Partial<ReconcileOptions>) =>
      brief(await look(home, more)).map(([, key]) => key)
    expect(await keys({ tenant: 'acme' })).toEqual(['media/acme/order_files/1', 'media/acme/other/3'])
    expect(await runWithTenant('acme', () => keys({ tenant: 'acme' }))).toHaveLength(2)
    expect(await keys({ prefix: 'media/acme/other/' })).toEqual(['media/acme/other/3'])
    expect(await keys({ backends: ['memory'] })).toHaveLength(3)
    const gone = await saved(home)
    await home.memory.delete(keyOf(gone.file))
    expect(await keys({ entities: ['Order'] })).toEqual([keyOf(gone.file)])
    expect(await keys({ entities: ['Contract'] })).toEqual([])
  })

  it('sees a file of one tenant in the row of another', async () => {
    const home = await place()
    const repo = home.dataSource.getRepository(Order)
    await repo.save(repo.create({ title: 'acme', file: await upload(home, ORDER_RULES) }))
    await repo.save(repo.create({ title: 'other', file: await upload(home, ORDER_RULES) }))
    const report = await look(home, { owners: { Order: 'title' } })
    expect(report.findings).toMatchObject([{ kind: 'wrong-tenant', says: 'The row is of the tenant other.' }])
  })

  it('says how far it is, counts what it does not show, and ends with the signal', async () => {
    const home = await place()
    for (let i = 0; i < 5; i++) await home.memory.put(`media/acme/x/${i}`, Buffer.from('a'), TEXT)
    const heard: string[] = []
    const report = await look(home, {
      maxFindings: 2,
      onFinding: ({ objectKey }) => heard.push(objectKey),
      onProgress: ({ phase, done, total }) => heard.push(`${phase} ${done}/${total}`),
    })
    expect(report.findings).toHaveLength(2)
    expect(report.counts.orphan).toBe(5)
    expect(heard).toEqual([0, 1, 2, 3, 4].map(i => `media/acme/x/${i}`).concat('verify 5/5'))
    expect(formatReport(report)).toContain('3 more are not shown.')
    const aborted = look(home, { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })

  it('invents nothing while the application works', async () => {
    const home = await place({ reap: 'after-commit' })
    const repo = home.dataSource.getRepository(Order)
    let isOver = false
    const work = async (tenant: string) => {
      while (!isOver) {
        // SQLite and the memory answer at once: three such loops would let nobody else have a turn.
        await setImmediate()
        const order = await repo.save(repo.create({ file: await upload(home, ORDER_RULES, { tenant }) }))
        order.file = await upload(home, ORDER_RULES, { tenant })
        await repo.save(order)
        if (Math.random() < 0.5) await repo.remove(order)
        await upload(home, ORDER_RULES, { tenant })
      }
    }
    const workers = ['acme', 'acme-corp', 'beta'].map(work)
    const reports: ReconcileReport[] = []
    try {
      for (let i = 0; i < 5; i++) reports.push(await reconcile({ dataSource: home.dataSource, grace: 0 }))
    } finally {
      isOver = true
      await Promise.all(workers)
    }
    expect(reports.flatMap(({ findings }) => findings)).toEqual([])
    expect((await look(home)).findings).toEqual([])
  })

  it.each<[string, Partial<ReconcileOptions>]>([
    ['a tenant and a prefix', { tenant: 'acme', prefix: 'media/acme/' }],
    ['an entity without files', { entities: ['Nobody'] }],
    ['an owner that is no property', { owners: { Order: 'nobody' } }],
    ['a fix that does not exist', { fix: 'everything' as 'all' }],
    ['a grace in the past', { grace: -1 }],
  ])('refuses %s', async (_what, options) => {
    await expect(look(await place(), options)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})
