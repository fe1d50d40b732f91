import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LocalDriver } from '../../../src/drivers/local/index.js'
import { tempDir } from '../../support/temp-dir.js'
import { codeOf, keysOf, newDriver, snapshot, TEXT } from './helpers.js'

const EVERY_METHOD: [string, (driver: LocalDriver, key: string) => unknown][] = [
  ['put', (driver, key) => driver.put(key, Buffer.from('evil'), TEXT)],
  ['a create-only put', (driver, key) => driver.put(key, Buffer.from('evil'), { ...TEXT, ifNoneMatch: '*' })],
  ['get', async (driver, key) => (await driver.get(key)).body.destroy()],
  ['head', (driver, key) => driver.head(key)],
  ['delete', (driver, key) => driver.delete(key)],
  ['copy from', (driver, key) => driver.copy(key, 'copy.txt')],
  ['copy to', (driver, key) => driver.copy('media/acme/mine.txt', key)],
  ['list', (driver, key) => keysOf(driver, `${key}/`)],
]

/** A root with one file, in a folder with something worth stealing beside it. */
async function withNeighbours() {
  const world = tempDir()
  const root = path.join(world, 'root')
  mkdirSync(path.join(world, 'outside/deep'), { recursive: true })
  writeFileSync(path.join(world, 'outside/secret.txt'), 'secret')
  writeFileSync(path.join(world, 'outside/deep/secret.txt'), 'secret')
  mkdirSync(path.join(world, 'root-2'))
  const { driver } = await newDriver(root)
  await driver.put('media/acme/mine.txt', Buffer.from('mine'), TEXT)
  await driver.put('media/globex/theirs.txt', Buffer.from('theirs'), TEXT)
  return { driver, root, world }
}

describe.each(EVERY_METHOD)('%s', (_, attempt) => {
  it.each([
    '..',
    '../outside/secret.txt',
    '../root-2/x',
    'media/../../outside/secret.txt',
    '/etc/passwd',
    '//etc/passwd',
    '..\\outside\\secret.txt',
    'C:\\x',
    '\\\\host\\share',
    'a\u0000',
    'media/acme/../globex/theirs.txt',
    './media/acme/mine.txt',
    'media//acme/mine.txt',
    '',
    '.',
    '\ud800',
    '.tenant-files',
    '.tenant-files/tmp/x',
    '.tenant-files/headers/ab/x.json',
  ])('refuses the key %j and touches nothing', async key => {
    const { driver, world } = await withNeighbours()
    const before = snapshot(world)
    expect(await codeOf(() => attempt(driver, key))).toBe('ERR_KEY_INVALID')
    expect(snapshot(world)).toEqual(before)
  })

  it.each([
    ['a file', 'media/acme/link', 'outside/secret.txt', ''],
    ['a folder', 'media/acme/link', 'outside', '/secret.txt'],
    ['a folder, deeper', 'media/acme/link', 'outside', '/deep/secret.txt'],
    ['nothing', 'media/acme/link', 'outside/new.txt', ''],
    ['a folder that is not there', 'media/acme/link', 'outside/new', '/file.txt'],
    ['a folder that is not there, deeper', 'media/acme/link', 'outside/new', '/a/b/file.txt'],
    ["another tenant's folder", 'media/acme/link', 'root/media/globex', '/theirs.txt'],
    ["another tenant's file", 'media/acme/link', 'root/media/globex/theirs.txt', ''],
    ["the tenant's own file", 'media/acme/link', 'root/media/acme/mine.txt', ''],
    ['a folder, at the top', 'link', 'outside', '/secret.txt'],
    ["the driver's own folder", 'link', 'root/.tenant-files', '/tmp/x'],
  ])(
    'refuses a key whose path holds a symbolic link to %s, and touches nothing',
    async (_what, link, target, below) => {
      const { driver, root, world } = await withNeighbours()
      symlinkSync(path.join(world, target), path.join(root, link))
      const before = snapshot(world)
      expect(await codeOf(() => attempt(driver, link + below))).toBe('ERR_KEY_INVALID')
      expect(snapshot(world)).toEqual(before)
    },
  )

  it('refuses a key whose path holds a link in a circle', async () => {
    const { driver, root } = await withNeighbours()
    symlinkSync('loop', path.join(root, 'media/acme/loop'))
    expect(await codeOf(() => attempt(driver, 'media/acme/loop/a.txt'))).toBe('ERR_KEY_INVALID')
  })
})

describe('no key', () => {
  it('ever reaches what lies outside of the root, or in the folder of the driver', async () => {
    const { driver, world } = await withNeighbours()
    const isObject = (name: string) => name.startsWith('root/') && !name.startsWith('root/.tenant-files')
    // the driver keeps the headers of objects there, under names of its own
    const isHeaders = (name: string) => name.startsWith('root/.tenant-files/headers')
    const outside = () =>
      Object.fromEntries(
        Object.entries(snapshot(world)).filter(([name]) => !isObject(name) && !isHeaders(name)),
      )
    const before = outside()
    const part = fc.constantFrom(
      '..',
      '.',
      '',
      '...',
      '%2e%2e',
      '..%2f',
      'outside',
      'secret.txt',
      'root',
      '.tenant-files',
      'tmp',
      '\\',
      'C:',
      '~',
      '\u0000',
      '\u2024\u2024',
      '．．',
      'é',
      ' ',
    )
    const key = fc.oneof(
      fc.array(part, { maxLength: 6 }).map(parts => parts.join('/')),
      fc.array(part, { maxLength: 4 }).map(parts => parts.join('\\')),
      fc.string({ unit: 'binary', maxLength: 30 }),
    )
    await fc.assert(
      fc.asyncProperty(key, fc.constantFrom(...EVERY_METHOD), async (text, [, attempt]) => {
        await codeOf(() => attempt(driver, text))
        expect(outside()).toEqual(before)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a listing', () => {
  it('shows neither links nor what lies behind them, nor the folder of the driver', async () => {
    const { driver, root, world } = await withNeighbours()
    symlinkSync(path.join(world, 'outside'), path.join(root, 'media/acme/folder'))
    symlinkSync(path.join(world, 'outside/secret.txt'), path.join(root, 'media/acme/file'))
    symlinkSync(path.join(world, 'outside/none'), path.join(root, 'media/acme/dangling'))
    symlinkSync('.', path.join(root, 'circle'))
    expect(await keysOf(driver)).toEqual(['media/acme/mine.txt', 'media/globex/theirs.txt'])
  })

  it('shows a folder called .tenant-files below the top', async () => {
    const { driver } = await withNeighbours()
    await driver.put('media/.tenant-files/a', Buffer.from('x'), TEXT)
    expect(await keysOf(driver, 'media/.tenant-files/')).toEqual(['media/.tenant-files/a'])
  })
})
