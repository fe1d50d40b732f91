import { afterEach, expect, test } from 'vitest'
import { type Workshop, workshop } from './command-line.js'

let shop: Workshop
afterEach(() => shop.remove())

test('prints the signed address of a file', async () => {
  shop = workshop()
  const { code, stdout } = await shop.run('url', 'orders/a.pdf', '--tenant', 'acme', '--expires-in', '60')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^\/files\/.*orders\/a\.pdf\?/)
})

test('prints it as JSON', async () => {
  shop = workshop()
  const { stdout } = await shop.run(
    'url',
    'logos/a.png',
    '--disk',
    'public-media',
    '--tenant',
    'acme',
    '--json',
  )
  expect(JSON.parse(stdout)).toEqual({ url: expect.stringContaining('public-media/acme/logos/a.png') })
})

test.each([
  [['url', 'orders/a.pdf'], 'ERR_TENANT_REQUIRED'],
  [['url', '../a.pdf', '--tenant', 'acme'], 'ERR_KEY_INVALID'],
  [['url', 'a.pdf', '--disk', 'medai', '--tenant', 'acme'], 'ERR_DISK_UNKNOWN'],
  [['url', 'a.pdf', '--tenant', '../x'], 'ERR_TENANT_INVALID'],
])('refuses %j', async (args, code) => {
  shop = workshop()
  const answer = await shop.run(...args)
  expect(answer).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(code) })
})

test('refuses a life that is none', async () => {
  shop = workshop()
  expect(await shop.run('url', 'a.pdf', '--tenant', 'acme', '--expires-in', 'soon')).toMatchObject({
    code: 2,
  })
})
