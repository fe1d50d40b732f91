import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { root, run } from '../tooling/tools.js'
import { localConfig, type Workshop, workshop } from './command-line.js'

const COMMON_JS = `
const libsql = require('libsql')
const { createStorage } = require('tenant-files')
const { LocalDriver } = require('tenant-files/drivers/local')
const { withFiles } = require('tenant-files/typeorm')
const { DataSource } = require('typeorm')
const at = name => require('node:path').join(__dirname, name)
const backends = { local: new LocalDriver({ root: at('files') }) }
const sqlite = { type: 'better-sqlite3', driver: libsql, synchronize: true }
const make = database => new DataSource({ ...sqlite, database: at(database) })
const bind = dataSource => withFiles(createStorage({ secret: 'a secret of the tests', backends }), dataSource)
const bound = bind(make('a.sqlite'))
`

let shop: Workshop
beforeEach(() => {
  shop = workshop()
})
afterEach(() => shop.remove())

test.each([
  ['CommonJS with a name', COMMON_JS, 'exports.AppDataSource = bound'],
  ['CommonJS as a whole', COMMON_JS, 'module.exports = bound'],
  [
    'CommonJS as a compiler writes it',
    COMMON_JS,
    'exports.__esModule = true; exports.default = exports.it = bound',
  ],
  ['CommonJS behind a promise', COMMON_JS, 'exports.later = Promise.resolve(bound)'],
  ['initialized already', COMMON_JS, 'exports.AppDataSource = bound.initialize()'],
])('takes a DataSource of %s', async (_, text, exports) => {
  shop.write('a.cjs', text + exports)
  expect(await shop.run('usage', 'acme', '-d', 'a.cjs', '--json')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('"used": 0'),
  })
})

test.each([
  ['no DataSource', 'exports.dataSource = {}', 'exports no DataSource'],
  ['several', `exports.a = bound; exports.b = bind(make('b.sqlite'))`, 'exports 2 DataSources'],
  ['one without files', `exports.a = make('a.sqlite')`, 'was not given to withFiles'],
  [
    'a module that fails',
    `throw new Error('no postgres://me:hush@db today')`,
    'no postgres://me:***@db today',
  ],
])('explains %s, and ends with 2', async (_, exports, message) => {
  shop.write('a.cjs', COMMON_JS + exports)
  const { code, stdout, stderr } = await shop.run('usage', '-d', 'a.cjs')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr).not.toMatch(/^\s+at /m)
})

test('takes a configuration that exports the DataSource only', async () => {
  shop.write('a.cjs', `${COMMON_JS}exports.dataSource = bound`)
  expect((await shop.run('url', 'a/b.pdf', '--tenant', 'acme', '--config', 'a.cjs')).code).toBe(0)
  const both = await shop.run('usage', '--config', 'a.cjs', '-d', 'a.cjs')
  expect(both).toMatchObject({ code: 2, stderr: 'Take either --config or --data-source.\n' })
})

test('says that the database cannot be opened, without its password', async () => {
  const url = 'postgres://me:hush@localhost:9/app'
  shop.write(
    'a.cjs',
    `${COMMON_JS}exports.a = bind(new DataSource({ type: 'postgres', url: ${JSON.stringify(url)} }))`,
  )
  const { code, stdout, stderr } = await shop.run('ledger', 'status', '-d', 'a.cjs')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^The database cannot be opened: .*ECONNREFUSED/)
  expect(stderr).not.toContain('hush')
})

test('ends, whatever the application leaves open', async () => {
  const open = `setInterval(() => {}, 1000); require('node:http').createServer().listen(0, '127.0.0.1');`
  shop.write('a.cjs', `${COMMON_JS}${open}exports.a = bound`)
  expect((await shop.start('usage', '-d', 'a.cjs')).code).toBe(0)
})

test('ends at Ctrl-C while the application starts for ever', async () => {
  shop.write('a.mjs', `console.error('starting'); await new Promise(() => setInterval(() => {}, 1000))`)
  const { code, stderr } = await shop.interrupt('starting', 'usage', '-d', 'a.mjs')
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'starting\nStopped before the end.\n' })
})

/** The library in a folder of its own, without TypeORM, as `npm install --global tenant-files` makes it. */
function installedElsewhere(): Workshop & { main: string } {
  const elsewhere = workshop()
  const modules = path.join(elsewhere.folder, 'node_modules')
  rmSync(modules, { recursive: true })
  mkdirSync(modules)
  const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies))
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction')
  cpSync(path.join(root, 'dist'), path.join(elsewhere.folder, 'dist'), { recursive: true })
  elsewhere.write('package.json', '{ "type": "module" }')
  return { ...elsewhere, main: path.join(elsewhere.folder, 'dist', 'cli', 'main.js') }
}

test('works with the copy of the application when it is another one', async () => {
  shop.write('a.cjs', `${COMMON_JS}exports.a = bound`)
  const { main, remove } = installedElsewhere()
  const answer = await run(process.execPath, [main, 'usage', 'acme', '-d', 'a.cjs'], shop.folder)
  remove()
  expect(answer).toMatchObject({ code: 0, stdout: expect.stringContaining('acme        0'), stderr: '' })
})

test('needs no TypeORM for what needs no database', async () => {
  const { main, folder, write, remove } = installedElsewhere()
  write(
    'tenant-files.config.mjs',
    localConfig().replaceAll(path.join(root, 'dist'), path.join(folder, 'dist')),
  )
  const answer = await run(process.execPath, [main, 'url', 'a/b.pdf', '--tenant', 'acme'], folder)
  remove()
  expect(answer).toMatchObject({ code: 0, stderr: '' })
})

test('names the commands of the ledger where none is given', async () => {
  const { code, stderr } = await shop.run('ledger')
  expect(code).toBe(2)
  expect(stderr).toContain('retry')
})
