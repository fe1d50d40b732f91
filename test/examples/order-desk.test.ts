import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Desk, startDesk } from '../../examples/order-desk/desk.js'
import { shipped } from '../../examples/order-desk/shipped.js'
import { sample, Visitor } from '../../examples/order-desk/visitor.js'
import { walkThrough } from '../../examples/order-desk/walk-through.js'
import { assertTenantIsolation } from '../../src/testing/index.js'
import { azureConnection, createContainer, describeWithAzurite } from '../support/azure.js'
import { curl } from '../support/curl.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { createBucket, describeWithS3, listAllKeys, s3Connection } from '../support/s3.js'
import { waysOf } from '../support/suites.js'
import { tempDir } from '../support/temp-dir.js'

const STORAGE_URL_SECRET = 'the secret of the order desk tests'

interface Row {
  id: number
  tenant: string
  file: { name: string; size: number; type: string; url: string }
}

/** Starts the application for the tests of one suite, unchanged, with nothing but another environment. */
function openDesk(environment: () => Promise<Record<string, string>>) {
  const open = {} as { desk: Desk; address: string; env: Record<string, string> }
  let server: Server
  beforeAll(async () => {
    open.env = { STORAGE_URL_SECRET, ...(await environment()) }
    open.desk = await startDesk(open.env)
    server = open.desk.app.listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    open.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    server?.closeAllConnections()
    server?.close()
    await open.desk?.close()
  })
  return open
}

/** The link on the page leads to a stylesheet that a browser accepts under `nosniff`. */
async function expectStylesheet(address: string): Promise<void> {
  const page = await (await fetch(address)).text()
  const [, href = ''] = /<link rel="stylesheet" href="([^"]+)">/.exec(page) ?? []
  const style = await fetch(new URL(href, address))
  expect(style.status).toBe(200)
  expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8')
  expect(await style.text()).toBe((await readFile(shipped('static/desk.css'))).toString())
}

/** Anna is of acme, Bela of globex; nobody is of any other tenant. */
const PEOPLE: Record<string, string> = { acme: 'anna', globex: 'bela' }

const SAMPLES: Record<string, string> = {
  'order-files': 'order.pdf',
  'class-bundles': 'lessons.zip',
  'blog-pictures': 'picture.png',
}

async function expectTenantsApart({ desk }: { desk: Desk }, path = 'order-files'): Promise<void> {
  const name = SAMPLES[path] ?? ''
  const one = ({ id }: { id: string | number }) => `/${path}/${id}`
  await assertTenantIsolation({
    app: desk.app,
    storage: desk.storage,
    tenants: ['acme', 'globex'],
    as: ({ memberOf, actsFor }) => ({
      prefix: `/${actsFor}`,
      headers: memberOf === null ? {} : { 'x-user': PEOPLE[memberOf] ?? 'nobody' },
    }),
    upload: { path: `/${path}`, field: 'file', file: { name, body: await sample(name) } },
    doors: [
      { name: 'one row', path: one },
      { name: 'all rows', path: `/${path}` },
      { name: 'the page', path: '' },
      { name: 'replacing', method: 'PUT', path: one },
      { name: 'removing', method: 'DELETE', path: one },
    ],
    edit: { path: one },
    signedUrls: 'bearer',
  })
}

describe('the order desk', () => {
  describe('on the local disk and SQLite', () => {
    const open = openDesk(async () => ({
      MEDIA_ROOT: path.join(tempDir(), 'files'),
      DATABASE_FILE: path.join(tempDir(), 'desk.sqlite'),
    }))

    it('walks through the whole job', async () => {
      const said: string[] = []
      await walkThrough(open.desk, open.address, line => said.push(line))
      expect(said.at(-1)).toContain('Everything is as it should be.')
    })

    it('saves a ticket and its attachments together, by a cascade', async () => {
      const body = new FormData()
      body.set('subject', 'The chair wobbles')
      for (const name of ['picture.png', 'floor-plan.pdf']) {
        body.append('files', new Blob([Uint8Array.from(await sample(name))]), name)
      }
      const headers = { 'x-user': 'anna' }
      const answer = await fetch(`${open.address}/acme/tickets`, { method: 'POST', body, headers })
      expect(answer.status).toBe(201)
      const [ticket] = (await (await fetch(`${open.address}/acme/tickets`, { headers })).json()) as {
        attachments: Row[]
      }[]
      expect(ticket?.attachments.map(({ file }) => file.name)).toEqual(['picture.png', 'floor-plan.pdf'])
      expect(ticket?.attachments.map(({ file }) => file.type)).toEqual(['image/png', 'application/pdf'])
    })

    it('takes the file out of a row', async () => {
      const headers = { 'x-user': 'anna' }
      const anna = new Visitor(open.address, 'anna')
      const answer = await anna.upload('/acme/order-files', await sample('order.pdf'), 'order.pdf')
      const { id } = (await answer.json()) as Row
      const emptied = await fetch(`${open.address}/acme/order-files/${id}`, { method: 'PUT', headers })
      expect(await emptied.json()).toEqual({ id, tenant: 'acme', file: null })
    })

    it.each(waysOf(['order-files'], ['class-bundles', 'blog-pictures']))(
      'keeps its tenants apart at every door of %s',
      kind => expectTenantsApart(open, kind),
    )

    it('shows a page with the files of one tenant to its own people only', async () => {
      const anna = new Visitor(open.address, 'anna')
      await anna.upload('/acme/order-files', await sample('order.pdf'), '<b>"order".pdf')
      const page = await (await anna.get('/acme')).text()
      expect(page).toContain('&#60;b&#62;&#34;order&#34;.pdf')
      expect(page).not.toContain('<b>')
      expect((await anna.get('/globex')).status).toBe(403)
      expect((await new Visitor(open.address).get('/acme')).status).toBe(403)
    })
  })
})

describeWithS3('the order desk on Ceph', () => {
  describeWithPostgres('and PostgreSQL', () => {
    describe.each(waysOf(['s3'], ['do_spaces']))('with STORAGE_BACKEND=%s', backend => {
      const open = openDesk(async () => {
        const { endpoint, accessKeyId, secretAccessKey } = s3Connection()
        return {
          STORAGE_BACKEND: backend,
          AWS_S3_ENDPOINT_URL: endpoint,
          AWS_STORAGE_BUCKET_NAME: await createBucket('desk'),
          AWS_ACCESS_KEY_ID: accessKeyId,
          AWS_SECRET_ACCESS_KEY: secretAccessKey,
          DATABASE_URL: (await freshDatabase()).url,
        }
      })
      const upload = async () => {
        const anna = new Visitor(open.address, 'anna')
        const answer = await anna.upload('/acme/order-files', await sample('order.pdf'), 'Prüfung 报告.pdf')
        expect(answer.status).toBe(201)
        return (await answer.json()) as Row
      }

      it('stores an upload under its tenant and gives an address that plain curl can fetch', async () => {
        const { file } = await upload()
        expect(file).toEqual({
          name: 'Prüfung 报告.pdf',
          size: (await sample('order.pdf')).length,
          type: 'application/pdf',
          url: expect.stringContaining('X-Amz-Signature='),
        })
        const answer = await curl(file.url)
        expect(answer.status).toBe(200)
        expect(answer.body.equals(await sample('order.pdf'))).toBe(true)
        expect(answer.headers['content-type']).toBe('application/pdf')
        expect(answer.headers['content-disposition']).toContain("filename*=UTF-8''Pr%C3%BCfung")
        const all = await listAllKeys(open.env.AWS_STORAGE_BUCKET_NAME ?? '')
        const keys = all.filter(key => !key.startsWith('static/'))
        expect(keys.length).toBeGreaterThan(0)
        expect(keys.every(key => /^media\/acme\/order_files\/[0-9a-f-]{36}\.pdf$/.test(key))).toBe(true)
      })

      it('takes the stylesheet of its pages from the static disk', () => expectStylesheet(open.address))

      it('refuses a tampered address, and the object without one', async () => {
        const { file } = await upload()
        const tampered = file.url.replace(/(X-Amz-Signature=)(.)/, (_all, name, first) => {
          return name + (first === '0' ? '1' : '0')
        })
        expect((await curl(tampered)).status).toBe(403)
        expect((await curl(file.url.split('?')[0] ?? '')).status).toBe(403)
      })

      it('gives another tenant nothing', async () => {
        const { id } = await upload()
        const bela = new Visitor(open.address, 'bela')
        expect((await bela.get(`/globex/order-files/${id}`)).status).toBe(404)
        expect((await bela.get(`/acme/order-files/${id}`)).status).toBe(403)
      })

      it('keeps its tenants apart at every door', () => expectTenantsApart(open))

      it('keeps addresses out of the database', async () => {
        await upload()
        const rows: { file: string }[] = await open.desk.dataSource.query('SELECT file FROM order_file')
        expect(rows.length).toBeGreaterThan(0)
        expect(rows.some(({ file }) => /https?:|Signature|expires/i.test(file))).toBe(false)
      })

      it('leaves no object of a refused upload', async () => {
        const bucket = open.env.AWS_STORAGE_BUCKET_NAME ?? ''
        const before = await listAllKeys(bucket)
        const anna = new Visitor(open.address, 'anna')
        const disguised = await anna.upload('/acme/order-files', await sample('not-a-picture.png'), 'a.png')
        const huge = Buffer.concat([await sample('picture.png'), Buffer.alloc(21 * 1024 * 1024)])
        const large = await anna.upload('/acme/order-files', huge, 'huge.png')
        expect([disguised.status, large.status]).toEqual([415, 413])
        expect(await listAllKeys(bucket)).toEqual(before)
      })
    })
  })
})

describeWithAzurite('the order desk on azurite', () => {
  const open = openDesk(async () => {
    const { endpoint, accountName, accountKey } = azureConnection()
    return {
      STORAGE_BACKEND: 'azure',
      AZURE_ENDPOINT_URL: endpoint,
      AZURE_ACCOUNT_NAME: accountName,
      AZURE_ACCOUNT_KEY: accountKey,
      AZURE_CONTAINER: (await createContainer('desk')).containerName,
      DATABASE_FILE: path.join(tempDir(), 'azure-desk.sqlite'),
    }
  })

  it('takes the stylesheet of its pages from the static disk', () => expectStylesheet(open.address))

  it('keeps its tenants apart at every door', () => expectTenantsApart(open))

  it('stores, signs and refuses as on every other backend', async () => {
    const anna = new Visitor(open.address, 'anna')
    const answer = await anna.upload('/acme/order-files', await sample('order.pdf'), 'Prüfung 报告.pdf')
    expect(answer.status).toBe(201)
    const { id, file } = (await answer.json()) as Row
    const download = await curl(file.url)
    expect(download.status).toBe(200)
    expect(download.body.equals(await sample('order.pdf'))).toBe(true)
    expect(download.headers['content-disposition']).toContain("filename*=UTF-8''Pr%C3%BCfung")
    const tampered = file.url.replace(/(sig=)(.)/, (_all, name, first) => name + (first === 'a' ? 'b' : 'a'))
    expect((await curl(tampered)).status).toBe(403)
    expect((await curl(file.url.split('?')[0] ?? '')).status).not.toBe(200)
    expect((await new Visitor(open.address, 'bela').get(`/globex/order-files/${id}`)).status).toBe(404)
  })
})
