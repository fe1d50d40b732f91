import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, expect, it, vi } from 'vitest'
import { adoptFiles, rollbackAdoption } from '../../src/migrate/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { root } from '../tooling/tools.js'
import { describeOnDatabases } from '../typeorm/on-databases.js'
import { type DjangoShop, djangoShop } from './django-shop.js'
import { oldTown, Paper, putOld } from './old-town.js'
import { linesOf, readText, textsOf } from './town.js'

describeOnDatabases('adoptFiles', fresh => {
  it('can be ended and run again, for one tenant or some rows alone, by several runners at once', async () => {
    const texts = [...Array(450).keys()].map(n => `uploads/${n % 3 === 0 ? 'globex' : 'acme'}/${n % 400}.txt`)
    const { dataSource, backends } = await oldTown(fresh, texts)
    for (const text of new Set(texts)) await putOld(backends, text, text)
    const end = new AbortController()
    // Slowly, so that the other pages are not done when the first is.
    const first = await adoptFiles({
      ...{ dataSource, entity: Paper, tenant: 'acme', rate: '2kb', signal: end.signal },
      onProgress: () => end.abort(),
    })
    expect(first).toMatchObject({ aborted: true, failed: 0 })
    expect(first.adopted).toBeGreaterThan(0)
    expect(first.adopted).toBeLessThan(300)
    // SQLite has one connection, and so one runner.
    const runners = dataSource.options.type === 'better-sqlite3' ? [1] : [1, 2]
    const reports = await Promise.all(runners.map(() => adoptFiles({ dataSource, entity: Paper })))
    expect(reports.map(({ failed }) => failed)).toEqual(runners.map(() => 0))
    expect(first.adopted + reports.reduce((sum, { adopted: n }) => sum + n, 0)).toBe(450)
    const held = (await textsOf(dataSource, 'paper')).map(text => JSON.parse(text))
    expect(new Set(held.map(({ tenant, key }) => `${tenant}/${key}`)).size).toBe(450)
    // Copies that the first run had begun stay `pending` until their lease is over.
    expect(await linesOf(dataSource)).toMatchObject({ 'old attached': 450 })
    expect(await rollbackAdoption({ dataSource, entity: Paper })).toMatchObject({ restored: 450 })
    expect(await textsOf(dataSource, 'paper')).toEqual(texts)
  })

  it('lets every file be read all the time, and entities be saved that were loaded before', {
    timeout: 120_000,
  }, async () => {
    const texts = [...Array(600).keys()].map(
      n => `uploads/${n % 3 === 0 ? 'globex' : 'acme'}/dir ${n % 5}/${n}.txt`,
    )
    const { dataSource, backends, papers } = await oldTown(fresh, texts)
    for (const path of texts) await putOld(backends, path, path)
    const loaded = await papers.find({ order: { id: 'ASC' } })
    let isOver = false
    const seen = new Set<string>()
    const readers = [1, 2].map(async () => {
      while (!isOver) {
        const skip = Math.floor(Math.random() * 550)
        const page = await papers.find({ order: { id: 'ASC' }, skip, take: 50 })
        seen.add(`${page.some(({ file }) => file?.size === 0)} ${page.some(({ file }) => file?.size !== 0)}`)
        for (const [index, { file }] of page.entries()) {
          await new Promise(setImmediate) // SQLite and memory wait for nothing, and nobody else had a turn
          if ((await readText(file)) !== texts[skip + index])
            throw new Error(`${texts[skip + index]} reads otherwise`)
          if (file?.toJSON().name !== texts[skip + index]?.split('/').at(-1)) throw new Error('another name')
        }
      }
    })
    const writer = (async () => {
      for (const paper of loaded.filter(({ id }) => id % 4 === 0)) {
        await papers.save(Object.assign(paper, { owner: 'saved' }))
        await new Promise(done => setTimeout(done, 5))
      }
    })()
    // A first part, so that there is a time of mixed values for certain.
    await adoptFiles({ dataSource, entity: Paper, tenant: 'acme', rate: 10_000 })
    await vi.waitFor(() => expect(seen).toContain('true true'), { timeout: 30_000 })
    const report = await adoptFiles({ dataSource, entity: Paper })
    await writer
    isOver = true
    await Promise.all(readers)
    expect(report).toMatchObject({ failed: 0, aborted: false })
    const after = await papers.find({ order: { id: 'ASC' } })
    expect(after.filter(({ owner }) => owner === 'saved')).toHaveLength(150)
    expect(await adoptFiles({ dataSource, entity: Paper })).toMatchObject({
      adopted: 0,
      skipped: 0,
      failed: 0,
    })
    expect((await papers.find()).filter(({ file }) => file?.sha256 === null)).toEqual([])
    expect(await linesOf(dataSource)).toEqual({ 'old attached': 600 })
  })
})

let open: DjangoShop | undefined
afterEach(() => open?.close())

describeWithPostgres('an adoption', () => {
  describeWithS3('whose command is killed three times', () => {
    it('is ended by two others, and loses and repeats nothing', { timeout: 300_000 }, async () => {
      const shared = [...Array(40).keys()].map(
        n => ['acme', `acme/order_files/shared-${n % 20}.pdf`] as const,
      )
      open = await djangoShop(1200, shared)
      const { shop, database, rows, files } = open
      const start = (...args: string[]) =>
        spawn(
          process.execPath,
          [path.join(root, 'dist', 'cli', 'main.js'), 'adopt', 'OrderFile', '--json', ...args],
          {
            cwd: shop.folder,
            stdio: ['ignore', 'pipe', 'inherit'],
          },
        )
      const sync = [
        `import { dataSource } from './data-source.mjs'`,
        'await dataSource.initialize()',
        'await dataSource.runMigrations()',
        `await dataSource.createQueryRunner().query((await dataSource.driver.createSchemaBuilder().log()).upQueries.map(each => each.query).join(';'))`,
        'await dataSource.destroy()',
        'process.exit()',
      ]
      shop.write('sync.mjs', sync.join('\n'))
      const made = spawn(process.execPath, ['sync.mjs'], { cwd: shop.folder, stdio: 'inherit' })
      expect((await once(made, 'exit'))[0]).toBe(0)
      const before = await rows()
      const adopted = async () => (await rows()).filter(({ file }) => file.startsWith('{')).length
      for (let kill = 0; kill < 3; kill++) {
        const runner = start('--rate', '300kb/s')
        const goal = (await adopted()) + 150
        const deadline = Date.now() + 60_000
        while ((await adopted()) < goal && Date.now() < deadline)
          await new Promise(done => setTimeout(done, 20))
        expect(runner.exitCode).toBeNull()
        runner.kill('SIGKILL')
        await once(runner, 'exit')
      }
      const half = await adopted()
      expect(half).toBeLessThan(before.length)
      const runners = [start(), start()]
      const told = await Promise.all(runners.map(each => text(each.stdout)))
      const reports = told.map(json => JSON.parse(json)[0])
      for (const report of reports) expect(report).toMatchObject({ failed: 0, aborted: false })
      expect(reports.reduce((sum, report) => sum + report.adopted, half)).toBe(before.length)
      const places = new Set<string>()
      for (const [index, row] of (await rows()).entries()) {
        const { tenant, key, size } = JSON.parse(row.file)
        places.add(`${tenant}/${key}`)
        expect(size).toBe(files.get(before[index]?.file ?? '')?.length)
      }
      expect(places.size).toBe(before.length)
      // Nothing that was there before us may ever be deleted by a lease.
      const [{ n }] = await database.query(
        `SELECT COUNT(*) AS n FROM file_ledger WHERE state <> 'attached' AND object_key NOT SIMILAR TO '%/[0-9a-f-]{36}.pdf'`,
      )
      expect(Number(n)).toBe(0)
      const back = await text(start('--rollback').stdout)
      expect(JSON.parse(back)[0]).toMatchObject({ restored: before.length, skipped: 0, failed: 0 })
      expect(await rows()).toEqual(before)
    })
  })
})
