import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Workshop, workshop } from './command-line.js'

let shop: Workshop
afterEach(() => shop.remove())

test('stores a folder, and the second time nothing', async () => {
  shop = workshop()
  shop.write('public/css/site.css', 'body {}')
  const first = await shop.run('push-static', 'public')
  expect(first).toMatchObject({ code: 0, stdout: '1 uploaded (7 bytes), 0 unchanged, 0 removed, 0 stale.\n' })
  expect(existsSync(path.join(shop.folder, 'files/static/css/site.css'))).toBe(true)
  const { stdout } = await shop.run('push-static', 'public', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ uploaded: 0, unchanged: 1 })
})

test('refuses a folder that is missing', async () => {
  shop = workshop()
  expect(await shop.run('push-static', 'pulbic')).toMatchObject({ code: 2, stdout: '' })
})

test('refuses a word that is no choice', async () => {
  shop = workshop()
  shop.write('public/a.css', 'a {}')
  expect(await shop.run('push-static', 'public', '--stale', 'burn')).toMatchObject({ code: 2 })
  rmSync(path.join(shop.folder, 'public'), { recursive: true })
})
