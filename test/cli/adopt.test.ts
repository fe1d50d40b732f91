import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DataSource } from 'typeorm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sqliteOptions } from '../support/sqlite.js'
import { type Workshop, workshop } from './command-line.js'
import { runInProcess } from './in-process.js'

/** An application that took over a table of plain paths, and has another entity without such a column. */
const application = (database: string) => `
import libsql from 'libsql'
import { createStorage } from 'tenant-files'
import { LocalDriver } from 'tenant-files/drivers/local'
import { fileColumn, legacyPath, withFiles } from 'tenant-files/typeorm'
import { DataSource, EntitySchema } from 'typeorm'

const id = { type: 'int', primary: true, generated: true }
const legacy = legacyPath({ base: 'media', backend: 'local' })
const Order = new EntitySchema({
  name: 'Order',
  columns: { id, website: { type: 'varchar' }, file: fileColumn({ folder: 'orders', empty: 'refuse', legacy }) },
})
const Ticket = new EntitySchema({ name: 'Ticket', columns: { id, attachment: fileColumn({ folder: 'tickets' }) } })
const storage = createStorage({
  secret: 'a secret of the command line tests',
  backends: { local: new LocalDriver({ root: import.meta.dirname + '/app' }) },
})
const options = { type: 'better-sqlite3', driver: libsql, database: ${JSON.stringify(database)}, synchronize: true }
export const dataSource = withFiles(storage, new DataSource({ ...options, entities: [Order, Ticket] }))
export { storage }
`

let shop: Workshop
let dataSource: DataSource
beforeEach(async () => {
  const options = sqliteOptions()
  shop = workshop(application(options.database))
  dataSource = await new DataSource(options).initialize()
})
afterEach(async () => {
  await dataSource.destroy()
  shop.remove()
})

const run = (...args: string[]) => runInProcess({ folder: shop.folder, args })

/** Writes the rows of the other application, and files for those of its paths that have some. */
async function fill(rows: readonly [website: string, text: string, body?: string][]): Promise<void> {
  await run('status')
  for (const [website, text, body] of rows) {
    await dataSource.query(`INSERT INTO "order" (website, file) VALUES (?, ?)`, [website, text])
    if (body === undefined) continue
    const file = path.join(shop.folder, 'app', text)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, body)
  }
}
const texts = async () =>
  (await dataSource.query('SELECT file FROM "order" ORDER BY id')).map((row: { file: string }) => row.file)

test('tenant-files adopt makes files of paths, and texts of these again with --rollback', async () => {
  const before = [
    'media/acme/order_files/One.pdf',
    'media/acme/order_files/One.pdf',
    '',
    'media/globex/two.txt',
  ]
  await fill([
    ['acme', before[0] ?? '', '%PDF-1.7 one'],
    ['acme', before[1] ?? ''],
    ['acme', ''],
    ['globex', before[3] ?? '', 'two'],
  ])
  const plan = await run('adopt', 'Order', '--dry-run', '--json')
  expect({ code: plan.code, plans: JSON.parse(plan.stdout) }).toMatchObject({
    code: 0,
    plans: [{ entity: 'Order', dryRun: true, adopted: 3, copied: 1, failed: 0, bytes: 27 }],
  })
  expect((await run('adopt', '--all', '--dry-run')).stdout).toBe(
    'Order: 3 rows would be adopted (27 bytes, 1 of these as a copy of a shared file), 0 would fail.\n',
  )
  expect(await texts()).toEqual(before)

  const canary = await run('adopt', 'Order', '--tenant', 'globex', '--owner', 'website', '--rate', '20mb/s')
  expect(canary).toMatchObject({ code: 0, stderr: '' })
  expect(canary.stdout).toContain(
    'Order: 1 row adopted (3 bytes read), 0 rows had changed meanwhile, 0 failed.',
  )
  const rest = await run('adopt', '--all', '--json')
  expect({ code: rest.code, reports: JSON.parse(rest.stdout) }).toMatchObject({
    code: 0,
    reports: [{ entity: 'Order', adopted: 2, copied: 1, skipped: 0, failed: 0, aborted: false }],
  })
  expect((await texts()).map((text: string) => text && JSON.parse(text).type)).toEqual([
    ...['application/pdf', 'application/pdf', '', 'text/plain'],
  ])

  const back = await run('adopt', 'Order', '--rollback')
  expect(back).toMatchObject({ code: 0, stderr: '' })
  expect(back.stdout).toBe('Order: 3 rows have their old text again, 0 hold another file by now, 0 failed.\n')
  expect(await texts()).toEqual(before)
})

test('tenant-files adopt names the rows that stay as they are, and ends with 1', async () => {
  await fill([
    ['acme', 'media/acme/gone.pdf'],
    ['acme', 'media/globex/two.txt', 'two'],
    ['acme', 'media/acme/../globex/two.txt'],
    ['acme', 'media/logo.txt', 'logo'],
  ])
  const { code, stdout } = await run('adopt', 'Order', '--owner', 'website')
  expect(code).toBe(1)
  const lines = stdout.trimEnd().split('\n')
  expect(lines[0]).toBe('Order: 0 rows adopted (0 bytes read), 0 rows had changed meanwhile, 4 failed.')
  expect(stdout).toContain(
    'ERR_KEY_INVALID Nothing is left of this path behind the tenant. Put the file into',
  )
  expect(
    lines
      .slice(1)
      .map(line => line.split(' ').slice(2, 5).join(' '))
      .sort(),
  ).toEqual([
    'Order.file ["1"]: ERR_FILE_NOT_FOUND',
    'Order.file ["2"]: ERR_TENANT_MISMATCH',
    'Order.file ["3"]: ERR_KEY_INVALID',
    'Order.file ["4"]: ERR_KEY_INVALID',
  ])
})

test.each([
  [['adopt'], 'Name an entity, or say --all'],
  [['adopt', 'Ticket'], 'No file column of Ticket that was asked for has the option "legacy"'],
  [['adopt', 'Order', '--property', 'website'], 'Order has no file column "website"'],
  [['adopt', 'Order', '--owner', 'customer'], 'Order has no plain column "customer"'],
  [
    ['adopt', 'Ordr', '--owner', 'website'],
    'There is no entity "Ordr" in this DataSource. With file columns: Order',
  ],
  [['adopt', 'Order', '--dry-run', '--rollback'], 'do not go together'],
  [['adopt', 'Order', '--rate', 'fast'], 'It is a size such as 20mb/s'],
  [['adopt', 'Order', '--to', 'local'], "unknown option '--to'"],
])('tenant-files refuses %j with 2', async (args, message) => {
  const { code, stdout, stderr } = await run(...args)
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
})
