import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { workshop } from './command-line.js'
import { runInProcess } from './in-process.js'

/** An application with an entity that has files, and one that has none, on a database of its own. */
const APPLICATION = `
import libsql from 'libsql'
import { createStorage } from 'tenant-files'
import { LocalDriver } from 'tenant-files/drivers/local'
import { fileColumn, withFiles } from 'tenant-files/typeorm'
import { DataSource, EntitySchema } from 'typeorm'

const id = { type: 'int', primary: true, generated: true }
const Ticket = new EntitySchema({ name: 'Ticket', columns: { id, attachment: fileColumn({ folder: 'tickets' }) } })
const Note = new EntitySchema({ name: 'Note', columns: { id, text: { type: 'text' } } })
const backends = { local: new LocalDriver({ root: import.meta.dirname + '/files' }), spaces: new LocalDriver({ root: import.meta.dirname + '/cloud' }) }
export const storage = createStorage({ secret: 'a secret of the command line tests', backends, writeTo: 'local' })
const options = { type: 'better-sqlite3', driver: libsql, database: ':memory:' }
export const entities = process.env.NOTHING ? [Note] : [Ticket, Note]
export const dataSource = withFiles(storage, new DataSource({ ...options, entities, synchronize: SYNCHRONIZE }))
`

const TO = ['--to', 'spaces']

describe('the commands of a move', () => {
  const shop = workshop(APPLICATION.replace('SYNCHRONIZE', 'true'))
  const run = (...args: string[]) => runInProcess({ folder: shop.folder, args })
  beforeAll(() => {
    shop.write('no-tables.mjs', APPLICATION.replace('SYNCHRONIZE', 'false'))
    shop.write('no-files.mjs', APPLICATION.replace('[Ticket, Note]', '[Note]').replace('SYNCHRONIZE', 'true'))
    shop.write('storage-only.mjs', `export { storage } from './tenant-files.config.mjs'`)
  })
  afterAll(() => shop.remove())

  test.each([
    [['migrate', ...TO], 'Name an entity, or say --all'],
    [['migrate', 'Ticket', '--all', ...TO], 'Name an entity or say --all, not both'],
    [['migrate', '--all', '--property', 'attachment', ...TO], 'property of one entity'],
    [['migrate', 'Ticket'], "required option '--to <backend>'"],
    [
      ['migrate', 'Tickte', ...TO],
      'There is no entity "Tickte" in this DataSource. With file columns: Ticket.',
    ],
    [['migrate', 'Note', ...TO], 'Note has no file column'],
    [['migrate', 'Ticket', '--property', 'id', ...TO], 'Ticket has no file column "id"'],
    [['migrate', 'Ticket', '--to', 'moon'], 'There is no backend "moon". Configured: local, spaces.'],
    [['migrate', 'Ticket', '--from', 'moon', ...TO], 'There is no backend "moon"'],
    [['migrate', 'Ticket', '--from', 'spaces', ...TO], 'from and to are both "spaces"'],
    [['migrate', 'Ticket', '--dry-run', '--to', 'moon'], 'There is no backend "moon"'],
    [['migrate', 'Ticket', '--tenant', '../x', ...TO], 'It is the id of a tenant'],
    [['status', '--tenant', 'a b'], 'It is the id of a tenant'],
    [['migrate', 'Ticket', '--rate', 'fast', ...TO], 'It is a size such as 20mb/s'],
    [['migrate', 'Ticket', '--rate', '0mb', ...TO], 'It is a size such as 20mb/s'],
    [['migrate', 'Ticket', '--concurrency', '0', ...TO], 'positive whole number'],
    [['migrate', 'Ticket', '--verify', 'md5', ...TO], 'Allowed choices are sha256, size, read-back'],
    [
      ['migrate', '--all', ...TO, '--config', 'no-files.mjs'],
      'No entity of this DataSource has file columns',
    ],
    [['migrate', '--all', ...TO, '--config', 'storage-only.mjs'], 'This command needs the database'],
    [['rollback', ...TO], 'Name an entity, or say --all'],
    [['rollback', 'Ticket', '--to', 'moon'], 'There is no backend "moon"'],
    [['prune', 'Ticket', ...TO], "required option '--keep <days>'"],
    [['prune', 'Ticket', '--keep', 'long', ...TO], 'a number of days such as 30d'],
    [['prune', 'Ticket', '--keep', '1d', ...TO], 'at least 7'],
    [['status', 'Tickte'], 'There is no entity "Tickte"'],
    [['status', '--property', 'attachment'], 'name that too'],
    [['doctor', ...TO], "required option '--phase <n>'"],
    [['doctor', '--phase', '6', ...TO], 'Allowed choices are 1, 2, 3, 4, 5'],
    [['doctor', '--phase', '1'], "required option '--to <backend>'"],
    [['doctor', '--phase', '1', '--to', 'moon'], 'There is no backend "moon"'],
    [['doctor', 'Tickte', '--phase', '1', ...TO], 'There is no entity "Tickte"'],
  ])('refuse %j with 2', async (args, message) => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test('end with 2 where the ledger is missing', async () => {
    const { code, stdout, stderr } = await run('migrate', 'Ticket', ...TO, '--config', 'no-tables.mjs')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('The table of the file ledger is missing')
  })
})
