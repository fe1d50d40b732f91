import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { FileColumn, type FileEntity, rulesOf } from '../../src/typeorm/index.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { house, memoryStorage, upload } from '../typeorm/databases.js'
import { linesOf } from './town.js'

/** More than a page of rows. */
const ROWS = 230

abstract class Thing {
  @Column({ type: 'varchar', default: 'acme' })
  owner!: string

  @FileColumn({ folder: 'keys' })
  file!: StoredFile | null
}

@Entity('thing')
class ByUuid extends Thing {
  @PrimaryColumn({ type: 'uuid' })
  id!: string
}

@Entity('thing')
class ByBigint extends Thing {
  @PrimaryColumn({ type: 'bigint' })
  id!: string
}

@Entity('thing')
class ByNumeric extends Thing {
  @PrimaryColumn({ type: 'numeric' })
  id!: string
}

@Entity('thing')
class ByText extends Thing {
  @PrimaryColumn({ type: 'varchar', length: 80, collation: 'und-x-icu' })
  id!: string
}

@Entity('thing')
class ByPaddedText extends Thing {
  @PrimaryColumn({ type: 'char', length: 12 })
  id!: string
}

@Entity('thing')
class ByTime extends Thing {
  @PrimaryColumn({ type: 'timestamp', precision: 6 })
  id!: Date
}

@Entity('thing')
class ByZonedTime extends Thing {
  @PrimaryColumn({ type: 'timestamptz', precision: 6 })
  id!: Date
}

@Entity('thing')
class ByThree extends Thing {
  @PrimaryColumn({ type: 'varchar', length: 20 })
  shop!: string

  @PrimaryColumn({ type: 'timestamptz', precision: 6 })
  at!: Date

  @PrimaryColumn({ type: 'int' })
  id!: number
}

/** Around the hour that Berlin's clocks show twice, a quarter of an hour and a microsecond apart. */
const MOMENT = `timestamptz '2026-10-24 22:00:00.000001+00' + n * interval '15 minutes 1 microsecond'`

const KINDS: [string, FileEntity<Thing>, columns: string, values: string][] = [
  ['uuids', ByUuid, 'id', 'md5(n::text)::uuid'],
  ['large numbers', ByBigint, 'id', '9007199254740993 + n * 1000003'],
  ['negative numbers', ByBigint, 'id', '-100 + n'],
  ['fractions', ByNumeric, 'id', '(n - 100) / 7.0'],
  [
    'text in the order of a language',
    ByText,
    'id',
    `(ARRAY['a', 'A', 'ä', 'Ä', 'z', 'Z', '_', '-', 'ß', 'it''s', 'a"b', 'a\\b', '😀', ' '])[1 + n % 14] || (n / 14)`,
  ],
  ['text that is padded', ByPaddedText, 'id', `'k' || n`],
  ['times', ByTime, 'id', `(${MOMENT}) AT TIME ZONE 'UTC'`],
  ['times with a zone', ByZonedTime, 'id', MOMENT],
  [
    'text, time and number',
    ByThree,
    'shop, at, id',
    `'shop ' || n % 3, ${MOMENT.replace(' n ', ' n / 7 ')}, n`,
  ],
]

describeWithPostgres('a move and its way back find every row', () => {
  /** Rows that were written by others, whose files all say the same but for their keys. */
  async function hall(entity: FileEntity<Thing>, columns: string, values: string, zone: string) {
    const { url } = await freshDatabase()
    const backends = { old: new MemoryDriver(), new: new MemoryDriver() }
    const openWith = async (timeZone: string) =>
      house(
        async () => ({ type: 'postgres', url, extra: { options: `-c TimeZone=${timeZone}` } }),
        [entity as never],
        { storage: memoryStorage(backends) },
      )
    const home = await openWith(zone)
    const file = await upload(home, rulesOf(entity, 'file'))
    await home.dataSource.query(
      `INSERT INTO thing (${columns}, file) SELECT ${values}, replace($1, $2, 'keys/' || n || '.txt') FROM generate_series(1, ${ROWS}) AS n`,
      [JSON.stringify({ v: 1, ...file }), file.key],
    )
    for (let n = 1; n <= ROWS; n++)
      await backends.old.put(`media/acme/keys/${n}.txt`, Buffer.from('hello'), { contentType: 'text/plain' })
    return { ...home, openWith, url }
  }

  const textsOf = async (dataSource: DataSource): Promise<string[]> =>
    (await dataSource.query('SELECT file AS text FROM thing ORDER BY file')).map(
      ({ text }: { text: string }) => text,
    )

  it.each(KINDS)('by %s', async (_, entity, columns, values) => {
    const { dataSource } = await hall(entity, columns, values, 'Europe/Berlin')
    const before = await textsOf(dataSource)
    const report = await migrateFiles({ dataSource, entity, to: 'new', tenantOf: row => row.owner })
    expect(report).toMatchObject({ rows: ROWS, moved: ROWS, failed: 0, skipped: 0 })
    expect(await linesOf(dataSource)).toMatchObject({ 'new attached': ROWS })
    const after = await textsOf(dataSource)
    expect(after).toEqual(before.map(text => text.replace('"backend":"old"', '"backend":"new"')))
    expect(await migrateFiles({ dataSource, entity, to: 'new' })).toMatchObject({ rows: ROWS, moved: 0 })
    expect(await rollbackFiles({ dataSource, entity, to: 'new' })).toMatchObject({
      restored: ROWS,
      failed: 0,
    })
    expect(await textsOf(dataSource)).toEqual(before)
  })

  it('by times with a zone also where the session of the way back has another zone', async () => {
    const entity = ByZonedTime
    const { dataSource, openWith } = await hall(entity, 'id', MOMENT, 'Europe/Berlin')
    const before = await textsOf(dataSource)
    await migrateFiles({ dataSource, entity, to: 'new' })
    await dataSource.destroy()
    const { dataSource: elsewhere } = await openWith('Asia/Kathmandu')
    expect(await rollbackFiles({ dataSource: elsewhere, entity, to: 'new' })).toMatchObject({
      ...{ restored: ROWS, skipped: 0, failed: 0 },
    })
    expect(await textsOf(elsewhere)).toEqual(before)
  })
})
