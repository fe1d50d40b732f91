import { randomUUID } from 'node:crypto'
import type { QueryRunner } from 'typeorm'
import { expect, it } from 'vitest'
import { SharedCursor, walkOf } from '../../src/migrate/cursor.js'
import { migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { Journal } from '../../src/migrate/journal.js'
import { columnsOf, ensureTables } from '../../src/migrate/one-column.js'
import { takePage } from '../../src/migrate/page-source.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { Parcel, textsOf, town } from './town.js'

/** Something happens between the reading of the rows and the look at who works on them. */
class LateJournal extends Journal {
  before: () => Promise<unknown> = async () => {}

  override async standing(runner: QueryRunner, rowIds: readonly string[]) {
    await this.before()
    return super.standing(runner, rowIds)
  }
}

describeWithPostgres('a page of rows', () => {
  it('has none that another runner has moved since it was read, and whose way back would be lost', async () => {
    const { dataSource } = await town(async () => ({ type: 'postgres', ...(await freshDatabase()) }), 4)
    const before = await textsOf(dataSource)
    await ensureTables(dataSource)
    const options = { dataSource, entity: Parcel, to: 'new' }
    const [of] = columnsOf(options, 'new')
    if (of === undefined) throw new Error('no column')
    const { dialect } = of.binding.sql
    const journal = new LateJournal(dataSource, dialect, of.scope)
    journal.before = () => migrateFiles({ ...options, tenant: 'acme' })
    const cursor = new SharedCursor(dataSource, dialect, of.scope, walkOf(of, {}))
    await of.transactions.run(runner => cursor.open(runner))
    const page = await of.transactions.run(runner =>
      takePage(runner, {
        ...{ table: of.table, column: of.column, journal, cursor, selection: options },
        ...{ options: { entity: Parcel }, worker: randomUUID(), lease: 1 },
      }),
    )
    expect(page?.cells.map(({ text }) => JSON.parse(text).tenant)).toEqual(['globex', 'globex'])
    expect(await rollbackFiles(options)).toMatchObject({ restored: 2, failed: 0 })
    expect(await textsOf(dataSource)).toEqual(before)
  })
})
