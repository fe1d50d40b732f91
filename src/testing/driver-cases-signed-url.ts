import assert from 'node:assert/strict'
import type { Driver, SignUrlOptions } from '../core/driver.js'
import { PORTABLE_KEYS } from './driver-cases-keys.js'
import { type DriverCase, type DriverCaseContext, readText, store } from './driver-cases-support.js'

export const signedUrlCases: DriverCase[] = [
  {
    name: 'a signed URL gives the file without further credentials',
    needs: 'signedUrls',
    async run(context) {
      await store(context.driver, `${context.prefix}file.txt`, 'hello')
      assert.equal(await textOf(context, sign(context.driver, `${context.prefix}file.txt`)), 'hello')
    },
  },
  {
    name: 'a signed URL gives odd keys as well as plain ones',
    needs: 'signedUrls',
    async run(context) {
      for (const key of PORTABLE_KEYS) {
        await store(context.driver, context.prefix + key, key)
        assert.equal(await textOf(context, sign(context.driver, context.prefix + key)), key)
      }
    },
  },
  {
    name: 'URLs signed for the same moment are identical, for another moment they differ',
    needs: 'signedUrls',
    async run({ driver, prefix }) {
      const at = Date.now()
      assert.equal(sign(driver, `${prefix}a`, { at }), sign(driver, `${prefix}a`, { at }))
      assert.notEqual(sign(driver, `${prefix}a`, { at }), sign(driver, `${prefix}a`, { at: at - 60_000 }))
    },
  },
  {
    name: "one file's signed URL does not open another file",
    needs: 'signedUrls',
    async run(context) {
      const { driver, prefix } = context
      await store(driver, `${prefix}mine.txt`, 'mine')
      await store(driver, `${prefix}yours.txt`, 'yours')
      await refuses(context, sign(driver, `${prefix}mine.txt`).replace('mine.txt', 'yours.txt'))
    },
  },
  {
    name: 'a signed URL that was tampered with is refused',
    needs: 'signedUrls',
    async run(context) {
      const key = `${context.prefix}file.txt`
      await store(context.driver, key, 'hello')
      const url = sign(context.driver, key, { contentDisposition: 'attachment', expiresIn: 60 })
      const parameters = [...new URL(url).searchParams.keys()]
      for (const name of parameters) {
        await refuses(
          context,
          changed(url, query => query.set(name, flip(query.get(name) ?? ''))),
        )
      }
      await refuses(context, url.slice(0, url.indexOf('?')))
    },
  },
  {
    name: 'an expired URL is refused',
    needs: 'signedUrls',
    async run(context) {
      const key = `${context.prefix}file.txt`
      await store(context.driver, key, 'hello')
      await refuses(context, sign(context.driver, key, { at: Date.now() - 3_600_000, expiresIn: 60 }))
    },
  },
  {
    name: 'a URL signed a while ago is good to the end of its life',
    needs: 'signedUrls',
    async run(context) {
      const key = `${context.prefix}file.txt`
      await store(context.driver, key, 'hello')
      assert.equal(
        await textOf(context, sign(context.driver, key, { at: Date.now() - 3_600_000, expiresIn: 3_700 })),
        'hello',
      )
    },
  },
  {
    name: 'a URL signed for reading does not write or delete',
    needs: 'signedUrls',
    async run(context) {
      const key = `${context.prefix}file.txt`
      await store(context.driver, key, 'hello')
      const url = sign(context.driver, key)
      await refuses(context, url, { method: 'PUT', body: 'changed' })
      await refuses(context, url, { method: 'DELETE' })
      assert.equal(await readText(context.driver, key), 'hello')
    },
  },
  {
    name: 'URLs signed for HEAD, PUT and DELETE do just that',
    needs: 'signedUrls',
    async run(context) {
      const key = `${context.prefix}file.txt`
      await succeeds(context, sign(context.driver, key, { method: 'PUT' }), {
        method: 'PUT',
        body: 'put by URL',
      })
      assert.equal(await readText(context.driver, key), 'put by URL')
      const head = await succeeds(context, sign(context.driver, key, { method: 'HEAD' }), { method: 'HEAD' })
      assert.equal(head.headers.get('content-length'), '10')
      await succeeds(context, sign(context.driver, key, { method: 'DELETE' }), { method: 'DELETE' })
      await refuses(context, sign(context.driver, key))
    },
  },
  {
    name: 'the response headers of a signed URL are the signed ones',
    needs: 'signedUrls',
    async run(context) {
      const key = `${context.prefix}page.html`
      await store(context.driver, key, '<script>', { contentType: 'text/html' })
      const wanted = {
        contentDisposition: `attachment; filename="a (1).html"; filename*=UTF-8''%C3%A9%2B%26.html`,
        contentType: 'application/octet-stream',
        cacheControl: 'private, max-age=60',
      }
      const { headers } = await succeeds(context, sign(context.driver, key, wanted))
      assert.equal(headers.get('content-disposition'), wanted.contentDisposition)
      assert.equal(headers.get('content-type'), wanted.contentType)
      assert.equal(headers.get('cache-control'), wanted.cacheControl)
    },
  },
]

function sign(driver: Driver, key: string, options: Partial<SignUrlOptions> = {}): string {
  assert.ok(driver.signUrl !== undefined, 'capabilities promise signed URLs, but there is no signUrl')
  return driver.signUrl(key, { method: 'GET', expiresIn: 600, at: Date.now(), ...options })
}

async function request(
  { fetch: get = fetch }: DriverCaseContext,
  url: string,
  init?: RequestInit,
): Promise<Response> {
  return get(url, { redirect: 'error', ...init })
}

async function succeeds(context: DriverCaseContext, url: string, init?: RequestInit): Promise<Response> {
  const response = await request(context, url, init)
  const text = await response.clone().text()
  assert.ok(response.ok, `answered ${response.status}: ${text.slice(0, 200)}`)
  return response
}

async function textOf(context: DriverCaseContext, url: string): Promise<string> {
  return (await succeeds(context, url)).text()
}

async function refuses(context: DriverCaseContext, url: string, init?: RequestInit): Promise<void> {
  const response = await request(context, url, init)
  await response.arrayBuffer()
  assert.ok(
    response.status >= 400 && response.status < 500,
    `answered ${response.status} instead of refusing`,
  )
}

function changed(url: string, change: (query: URLSearchParams) => void): string {
  const copy = new URL(url)
  change(copy.searchParams)
  return copy.href
}

/** Changes one character, within its kind, so that the value keeps its form. */
function flip(value: string): string {
  const last = value.at(-1) ?? ''
  const other = /[0-9]/.test(last) ? `${(Number(last) + 1) % 10}` : last === 'a' ? 'b' : 'a'
  return value.slice(0, -1) + other
}
