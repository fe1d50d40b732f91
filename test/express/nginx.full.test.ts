import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import path from 'node:path'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { createStorage, runWithTenant } from '../../src/core/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { answerErrors, serveFiles } from '../../src/express/index.js'
import { listen } from '../integration/http.js'
import { startNginx } from '../support/nginx.js'
import { tempDir } from '../support/temp-dir.js'
import { asAcme, SECRET } from '../upload/support.js'

const TEXT = '0123456789'

async function behindNginx() {
  const root = path.join(tempDir(), 'files')
  const storage = createStorage({ secret: SECRET, backends: { local: new LocalDriver({ root }) } })
  await storage.ready()
  const app = express()
  app.use((req, _res, next) => {
    const tenant = req.get('x-tenant')
    return tenant === undefined ? next() : runWithTenant(tenant, next)
  })
  app.use('/files', serveFiles(storage, { accelRedirect: '/internal-files/' }))
  app.use(answerErrors())
  const { url: application } = await listen(app)
  // The page docs/how-to/serve-through-nginx.md shows the same locations.
  const nginx = await startNginx(`
    location / { proxy_pass ${application}; }
    location /internal-files/local/ {
      internal;
      alias ${root}/;
      disable_symlinks on from=${root};
      types {}
      add_header Content-Security-Policy $upstream_http_content_security_policy;
      add_header X-Content-Type-Options $upstream_http_x_content_type_options;
    }`)
  const store = async (key: string, contentType = 'application/pdf', body: string | Buffer = TEXT) => {
    const disk = storage.disk('media')
    await asAcme(() => disk.put(key, Buffer.from(body), { contentType }))
    return asAcme(() => disk.signedUrl(key, {}, { name: 'Prüfung.pdf', type: contentType }))
  }
  return {
    root,
    store,
    application,
    ask: (tail: string, headers = {}, method = 'GET') => ask(nginx, tail, headers, method),
  }
}

async function ask(url: string, tail: string, headers: Record<string, string>, method: string) {
  const { hostname, port } = new URL(url)
  const outgoing = request({ hostname, port, path: tail, method, headers })
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const body = Buffer.concat(await response.toArray())
  return { status: response.statusCode, headers: response.headers, body }
}

describe('behind nginx', () => {
  it('a file is sent by nginx, with the headers that the library decides on', async () => {
    const { store, ask } = await behindNginx()
    const big = Buffer.alloc(3_000_000, 'x')
    const { status, headers, body } = await ask(await store('files/a.pdf', 'application/pdf', big))
    expect([status, body.equals(big)]).toEqual([200, true])
    expect(headers).toMatchObject({
      server: expect.stringMatching(/^nginx/),
      'content-type': 'application/pdf',
      'content-length': String(big.length),
      'content-disposition': `inline; filename="Prufung.pdf"; filename*=UTF-8''Pr%C3%BCfung.pdf`,
      'cache-control': expect.stringMatching(/^private, max-age=\d+$/),
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    })
    expect(headers).not.toHaveProperty('x-accel-redirect')
  })

  it('active content is an attachment, whatever its extension says', async () => {
    const { store, ask } = await behindNginx()
    const { headers } = await ask(await store('files/page.bin', 'text/html', '<script>alert(1)</script>'))
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['content-disposition']).toMatch(/^attachment/)
    expect(headers['content-security-policy']).toContain('sandbox')
  })

  it('HEAD, ranges and conditions are answered', async () => {
    const { store, ask } = await behindNginx()
    const url = await store('files/a.pdf')
    const head = await ask(url, {}, 'HEAD')
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '10', 0])
    const part = await ask(url, { range: 'bytes=2-4' })
    expect([part.status, part.body.toString(), part.headers['content-range']]).toEqual([
      206,
      '234',
      'bytes 2-4/10',
    ])
    expect((await ask(url, { range: 'bytes=10-' })).status).toBe(416)
    for (const condition of [
      { 'if-none-match': head.headers.etag ?? '' },
      { 'if-modified-since': head.headers['last-modified'] ?? '' },
    ]) {
      const { status, body } = await ask(url, condition)
      expect([status, body.length]).toEqual([304, 0])
    }
  })

  it.each([
    'a b.pdf',
    '報告.pdf',
    '100%.pdf',
    '%41.pdf',
    '1+1.pdf',
    'a?b.pdf',
    'a#b.pdf',
    "it's;x=1.pdf",
    '..a.pdf',
  ])('the file %s is found', async name => {
    const { store, ask } = await behindNginx()
    const { status, body } = await ask(await store(`files/${name}`))
    expect([status, body.toString()]).toEqual([200, TEXT])
  })

  it('nobody reaches the files but by a signed address', async () => {
    const { store, ask } = await behindNginx()
    const url = await store('files/a.pdf')
    expect((await ask('/internal-files/local/media/acme/files/a.pdf')).status).toBe(404)
    expect((await ask(url.replace('a.pdf', 'b.pdf'))).status).toBe(403)
    expect((await ask(url, { 'x-tenant': 'acme' })).status).toBe(200)
    const foreign = await ask(url, { 'x-tenant': 'globex' })
    expect([foreign.status, foreign.body.toString()]).toEqual([
      404,
      expect.stringContaining('ERR_FILE_NOT_FOUND'),
    ])
  })

  it('a file that is gone is answered by the library', async () => {
    const { store, ask, root } = await behindNginx()
    const url = await store('files/a.pdf')
    await rm(path.join(root, 'media'), { recursive: true })
    expect((await ask(url)).body.toString()).toContain('ERR_FILE_NOT_FOUND')
  })
})
