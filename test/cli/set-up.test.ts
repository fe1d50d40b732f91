import { afterEach, expect, test } from 'vitest'
import { type Workshop, workshop } from './command-line.js'

let shop: Workshop
afterEach(() => shop.remove())

test('says what it can do', async () => {
  shop = workshop()
  const { code, stdout } = await shop.start('--help')
  expect(code).toBe(0)
  expect(stdout).toContain('push-static')
})

test('finds the configuration of a folder above', async () => {
  shop = workshop()
  shop.write('deep/er/here.txt', '')
  const { code, stdout } = await shop.runIn('deep/er', 'url', 'a/b.pdf', '--tenant', 'acme')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^\/files\//)
})

test.each([
  `const { storage } = require('./tenant-files.config.mjs'); module.exports = { storage }`,
  `module.exports = import('./tenant-files.config.mjs')`,
])('takes a configuration in CommonJS: %s', async text => {
  shop = workshop()
  shop.write('set-up.cjs', text)
  expect((await shop.run('--config', 'set-up.cjs', 'url', 'a/b.pdf', '--tenant', 'acme')).code).toBe(0)
})

test.each([
  ['no configuration', { file: 'nowhere.mjs', text: undefined }, 'There is no'],
  ['one that fails', { file: 'a.mjs', text: 'throw new Error("no database today")' }, 'no database today'],
  ['one without a storage', { file: 'b.mjs', text: 'export const stor = 1' }, 'exports no "storage"'],
  [
    'a DataSource that is none',
    {
      file: 'c.mjs',
      text: 'export { storage } from "./tenant-files.config.mjs"; export const dataSource = {}',
    },
    'Export the DataSource',
  ],
])('explains %s, and ends with 2', async (_, { file, text }, message) => {
  shop = workshop()
  if (text !== undefined) shop.write(file, text)
  const { code, stdout, stderr } = await shop.run('--config', file, 'url', 'a/b.pdf')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr).not.toMatch(/^\s+at /m)
})

test('ends with 2 for words that it does not know', async () => {
  shop = workshop()
  expect((await shop.run('puhs-static', 'x')).code).toBe(2)
  expect((await shop.run('url')).code).toBe(2)
})
