import { expect, it } from 'vitest'
import { migrateFiles, planMigration } from '../../src/migrate/index.js'
import { keysIn } from '../isolation/doors.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { linesOf, Parcel, textsOf, town } from './town.js'

describeOnSqliteFirst('planMigration', fresh => {
  it('counts what would move, and writes nothing', async () => {
    const { backends, dataSource } = await town(fresh, 5)
    const before = { texts: await textsOf(dataSource), lines: await linesOf(dataSource) }
    const plan = await planMigration({ dataSource, entity: Parcel, to: 'new' })
    expect(plan).toEqual({
      ...{ entity: 'Parcel', to: 'new', rows: 5, files: 5, bytes: 40, copied: 0, failed: 0, failures: [] },
    })
    expect({ texts: await textsOf(dataSource), lines: await linesOf(dataSource) }).toEqual(before)
    expect(await keysIn(backends.new.list(''))).toEqual([])
    await expect(dataSource.query('SELECT * FROM file_migration')).rejects.toThrow()
    expect(
      await planMigration({ dataSource, entity: Parcel, to: 'new', tenant: 'acme', where: { id: 3 } }),
    ).toMatchObject({ rows: 1, files: 1, bytes: 8 })
  })

  it('says of every row that would fail what migrateFiles says then', async () => {
    const { backends, dataSource } = await town(fresh, 7)
    const keyOf = (text = '') => `media/${JSON.parse(text).tenant}/${JSON.parse(text).key}`
    const [missing, longer, collision, same] = await textsOf(dataSource)
    const put = (driver: (typeof backends)['old'], text: string | undefined, body: string) =>
      driver.put(keyOf(text), Buffer.from(body), { contentType: 'text/plain' })
    await backends.old.delete(keyOf(missing))
    await backends.old.delete(keyOf(longer))
    await put(backends.old, longer, 'parcel 1 and more')
    await put(backends.new, collision, 'a stranger')
    await put(backends.new, same, 'parcel 3')
    await dataSource.query(`UPDATE parcel SET owner = 'initech' WHERE id = 5`)
    await dataSource.query(`UPDATE parcel SET file = 'nonsense' WHERE id = 6`)
    const options = {
      ...{ dataSource, entity: Parcel, to: 'new' },
      tenantOf: ({ owner, id }: Parcel) => (id === 6 ? '' : owner),
    }
    const plan = await planMigration(options)
    expect(plan).toMatchObject({ files: 2, copied: 1, failed: 5 })
    const report = await migrateFiles(options)
    expect(report).toMatchObject({ moved: 2, failed: 5 })
    const told = ({ failures }: Pick<typeof plan, 'failures'>) =>
      failures.map(({ row, code, property }) => `${row} ${property} ${code}`).sort()
    expect(told(plan)).toEqual(told(report))
    expect(told(plan).map(line => line.split(' ')[2])).toEqual([
      'ERR_FILE_NOT_FOUND',
      'ERR_FILE_CHANGED',
      'ERR_FILE_EXISTS',
      'ERR_TENANT_MISMATCH',
      'ERR_BACKEND_UNKNOWN',
    ])
  })

  it.each([
    [{ to: 'nowhere' }, 'ERR_BACKEND_UNKNOWN'],
    [{ to: 'new', from: 'new' }, 'ERR_CONFIG'],
    [{ to: 'new', verify: 'size' } as { to: string }, 'ERR_CONFIG'],
  ])('refuses %j with %s', async (options, code) => {
    const { dataSource } = await town(fresh, 0)
    await expect(planMigration({ dataSource, entity: Parcel, ...options })).rejects.toMatchObject({ code })
  })
})
