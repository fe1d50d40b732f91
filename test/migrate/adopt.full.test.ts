import { expect, it } from 'vitest'
import { adoptFiles, rollbackAdoption } from '../../src/migrate/index.js'
import { describeOnDatabases } from '../typeorm/databases.js'
import { oldTown, Paper, putOld } from './old-town.js'
import { linesOf, textsOf } from './town.js'

describeOnDatabases('adoptFiles', fresh => {
  it('can be ended and run again, for one tenant or some rows alone, by several runners at once', async () => {
    const texts = [...Array(450).keys()].map(n => `uploads/${n % 3 === 0 ? 'globex' : 'acme'}/${n % 400}.txt`)
    const { dataSource, backends } = await oldTown(fresh, texts)
    for (const text of new Set(texts)) await putOld(backends, text, text)
    const end = new AbortController()
    const first = await adoptFiles({
      ...{ dataSource, entity: Paper, tenant: 'acme', signal: end.signal },
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
})
