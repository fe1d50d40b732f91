import fc from 'fast-check'
import { DataSource } from 'typeorm'
import { expect, it } from 'vitest'
import { fromColumnText } from '../../../src/core/column-value.js'
import { isObjectKey } from '../../../src/core/key.js'
import { createStorage } from '../../../src/core/storage.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import { lineOf } from '../../../src/typeorm/file-line.js'
import { installFileTriggers } from '../../../src/typeorm/index.js'
import { literal } from '../../../src/typeorm/triggers/sql-text.js'
import { filesSql } from '../../../src/typeorm/triggers/sqlite-triggers.js'
import { diskSpaces } from '../../../src/typeorm/triggers/trigger-plan.js'
import { describeWithPostgres, freshDatabase } from '../../support/postgres.js'
import { sqliteOptions } from '../../support/sqlite.js'
import { house } from '../databases.js'
import { Order } from '../entities.js'

const storage = createStorage({
  secret: 'a secret of the test',
  backends: { memory: new MemoryDriver() },
  writeTo: 'memory',
  disks: {
    media: { location: 'media', visibility: 'private', tenancy: 'required' },
    "it's": { location: 'deep/er-place', visibility: 'private', tenancy: 'required' },
    common: { location: 'common', visibility: 'private', tenancy: 'shared' },
    static: { location: 'static', visibility: 'public', tenancy: 'none' },
  },
})

const nasty = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '_', '-', '/', '.', "'", '"', '%', '\\', '\n', '$', 'é', '😀', ' '),
})
const file = fc.record({
  v: fc.constantFrom(1, 1, 1, 1, 2, '1', null),
  disk: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...storage.diskNames) }, nasty),
  backend: fc.oneof(fc.constant('memory'), nasty),
  tenant: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'acme',
        'Acme-1_x',
        'shared',
        '_x',
        '',
        'a/b',
        'a\n',
        'é',
        'a'.repeat(64),
        'a'.repeat(65),
      ),
    },
    nasty,
    fc.constant(null),
  ),
  key: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('order_files/a.pdf', 'ä/😀.txt', '/a', '../a', 'a//b') },
    nasty,
    fc.constant(7),
  ),
  name: nasty,
  size: fc.nat(),
  type: nasty,
  sha256: fc.constant(null),
})
const texts = fc.array(
  fc.oneof({ weight: 9, arbitrary: file.map(value => JSON.stringify(value)) }, nasty, fc.json()),
  { minLength: 60, maxLength: 60 },
)

type Lines = { backend: string; object_key: string | null }[]

/** Compares many texts in one go: what our code makes of each, and what the database does. */
async function agree(read: (text: string) => Promise<Lines>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(texts, async list => {
      for (const text of list) {
        const line = lineOf(storage, fromColumnText({ home: storage }, text))
        // what is no object key is the key of no line
        const found = (await read(text)).filter(({ object_key }) => isObjectKey(object_key))
        const expected = line === undefined ? [] : [{ backend: line.backend, object_key: line.objectKey }]
        if (!text.trimStart().startsWith('[')) expect(found, text).toEqual(expected)
      }
    }),
    { numRuns: 12 },
  )
}

it('object keys built by SQLite are those that core builds', async () => {
  const dataSource = await new DataSource(sqliteOptions()).initialize()
  const plan = { disks: diskSpaces(storage) }
  await agree(text => dataSource.query(filesSql(plan, literal(text))))
  await dataSource.destroy()
})

describeWithPostgres('object keys', () => {
  it('built by PostgreSQL are those that core builds', async () => {
    const fresh = async () => ({ type: 'postgres', url: (await freshDatabase()).url }) as const
    const { dataSource } = await house(fresh, [Order], { storage })
    const runner = dataSource.createQueryRunner()
    await installFileTriggers(runner, Order)
    await agree(text => runner.query('SELECT * FROM files_of_order_read($1)', [text]))
    await runner.release()
  })
})
