import { createNamespace } from 'cls-hooked'
import express, { type Request } from 'express'
import multer from 'multer'
import request from 'supertest'
import { describe, expect, it, test } from 'vitest'
import { getTenant, type StorageError } from '../../src/core/index.js'
import { boundTenant } from '../../src/core/tenant.js'
import {
  answerErrors,
  fromClsHooked,
  fromHeader,
  fromRequest,
  fromSubdomain,
  type TenantOptions,
  type TenantResolver,
  tenant,
} from '../../src/express/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { sendSlowly } from '../../src/testing/index.js'
import { listen } from '../integration/http.js'
import { PDF, padded } from '../upload/sample-files.js'
import { eventsOf, failOnUnhandled, keysOf, storageOver, WatchedDriver } from '../upload/support.js'

failOnUnhandled()

const yes = () => true

/** Answers with the tenant of the request, or with the code of the error. */
function appWith(options: TenantOptions, prepare: (app: express.Express) => void = () => {}) {
  const app = express()
  prepare(app)
  app.use(tenant(options))
  app.get('/', async (req, res) => {
    await new Promise(resolve => setTimeout(resolve, 1))
    res.json({ tenant: getTenant(), bound: boundTenant(req) })
  })
  app.use(answerErrors())
  app.use((error: Error, _req: Request, res: express.Response, _next: express.NextFunction) => {
    res.status(500).json({ error: { code: error.message } })
  })
  return app
}

async function answerOf(app: express.Express, headers: Record<string, string> = {}) {
  const { status, body } = await request(app).get('/').set(headers)
  return status === 200 ? body.tenant : `${status} ${body.error.code}`
}

describe('tenant()', () => {
  it('makes the tenant current for all that follows, and binds it to the request', async () => {
    const { body } = await request(appWith({ resolve: () => 'acme' })).get('/')
    expect(body).toEqual({ tenant: 'acme', bound: 'acme' })
  })

  it.each([
    [
      'a misspelled verify, which would let all callers in',
      { resolve: yes, verfy: yes },
      /no option "verfy" of tenant/,
    ],
    ['no resolve', { verify: yes }, /needs resolve/],
  ])('refuses %s', (_what, options, message) => {
    expect(() => tenant(options as never)).toThrow(message)
  })

  test.each([undefined, null, ''])('refuses a request whose tenant is %j', async id => {
    expect(await answerOf(appWith({ resolve: () => id }))).toBe('400 ERR_TENANT_REQUIRED')
  })

  test.each(['shared', '_a', 'a/b', '../x', 'a.b', 'a b', 'ä', 'a'.repeat(65), 'a\0', 5, {}, ['acme']])(
    'refuses the malformed id %j',
    async id => {
      const asked: unknown[] = []
      const verify = (_req: Request, each: string) => asked.push(each) > 0
      const app = appWith({ resolve: () => id as string, verify })
      expect(await answerOf(app)).toBe('400 ERR_TENANT_INVALID')
      expect(asked).toEqual([])
    },
  )

  test.each([
    ['true', () => true, 'acme'],
    ['true, later', async () => true, 'acme'],
    ['false', () => false, '403 ERR_TENANT_FORBIDDEN'],
    ['false, later', async () => false, '403 ERR_TENANT_FORBIDDEN'],
    ['1', () => 1 as never, '403 ERR_TENANT_FORBIDDEN'],
    ['a text', () => 'yes' as never, '403 ERR_TENANT_FORBIDDEN'],
    ['an object', () => ({}) as never, '403 ERR_TENANT_FORBIDDEN'],
    ['nothing', () => undefined as never, '403 ERR_TENANT_FORBIDDEN'],
  ])('with a verify that gives %s', async (_what, verify, answer) => {
    expect(await answerOf(appWith({ resolve: () => 'acme', verify }))).toBe(answer)
  })

  it('hands verify the request and the id', async () => {
    const seen: unknown[] = []
    const verify = (req: Request, id: string) => seen.push(req.path, id) > 0
    await answerOf(appWith({ resolve: () => 'acme', verify }))
    expect(seen).toEqual(['/', 'acme'])
  })

  it('passes on what a resolver or verify throws', async () => {
    const fail = () => {
      throw new Error('no database')
    }
    expect(await answerOf(appWith({ resolve: fail }))).toBe('500 no database')
    expect(await answerOf(appWith({ resolve: async () => fail() }))).toBe('500 no database')
    expect(await answerOf(appWith({ resolve: () => 'acme', verify: fail }))).toBe('500 no database')
    expect(await answerOf(appWith({ resolve: () => 'acme', verify: async () => fail() }))).toBe(
      '500 no database',
    )
  })

  test.each([undefined, null, 0, '', 'route', 'router', false])(
    'lets nobody pass where the resolver rejects with %j',
    async reason => {
      const reject = () => Promise.reject(reason)
      const open = express()
      open.use(tenant({ resolve: () => 'acme', verify: reject }), answerErrors())
      open.use((_req, res) => void res.json('passed without a tenant'))
      expect((await request(open).get('/')).status).toBe(400)
      expect(await answerOf(appWith({ resolve: reject }))).toBe('400 ERR_TENANT_REQUIRED')
      expect(await answerOf(appWith({ resolve: () => 'acme', verify: reject }))).toBe(
        '400 ERR_TENANT_REQUIRED',
      )
    },
  )

  it('keeps the tenants of parallel requests apart', async () => {
    const { url } = await listen(appWith({ resolve: fromHeader('x-tenant'), verify: yes }))
    const ids = Array.from({ length: 40 }, (_each, index) => `tenant-${index % 7}`)
    const answers = await Promise.all(
      ids.map(
        async id => (await (await fetch(url, { headers: { 'x-tenant': id } })).json()) as { tenant: string },
      ),
    )
    expect(answers.map(answer => answer.tenant)).toEqual(ids)
  })

  it('leaves nothing behind for the next request of a connection', async () => {
    const app = express()
    app.use('/a', tenant({ resolve: () => 'acme' }), (_req, res) => void res.json(getTenant()))
    app.get('/b', (_req, res) => {
      try {
        res.json(getTenant())
      } catch (error) {
        res.json((error as StorageError).code)
      }
    })
    const agent = request.agent(app)
    expect((await agent.get('/a').set('Connection', 'keep-alive')).body).toBe('acme')
    expect((await agent.get('/b').set('Connection', 'keep-alive')).body).toBe('ERR_TENANT_REQUIRED')
  })
})

describe('fromHeader', () => {
  it('reads the header, in any case', async () => {
    const app = appWith({ resolve: fromHeader('X-Tenant'), verify: yes })
    expect(await answerOf(app, { 'x-tenant': 'acme' })).toBe('acme')
    expect(await answerOf(app)).toBe('400 ERR_TENANT_REQUIRED')
    expect(await answerOf(app, { 'x-tenant': '' })).toBe('400 ERR_TENANT_REQUIRED')
  })

  it('refuses a header that came twice', async () => {
    const app = appWith({ resolve: fromHeader('x-tenant'), verify: yes })
    expect(await answerOf(app, { 'x-tenant': ['acme', 'globex'] as never })).toBe('400 ERR_TENANT_INVALID')
  })

  it('without verify warns at start-up, and only then', async () => {
    const events = eventsOf('warning')
    const warnings: (Error & { code?: string })[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    tenant({ resolve: fromHeader('x-tenant'), verify: yes })
    tenant({ resolve: fromSubdomain() })
    tenant({ resolve: fromRequest(() => 'acme') })
    expect(events).toEqual([])
    tenant({ resolve: fromHeader('x-tenant') })
    await new Promise(resolve => setImmediate(resolve))
    process.off('warning', note)
    expect(events).toMatchObject([{ code: 'TENANT_HEADER_UNVERIFIED' }])
    expect(warnings).toMatchObject([{ name: 'TenantFilesWarning', code: 'TENANT_HEADER_UNVERIFIED' }])
  })
})

describe('fromSubdomain', () => {
  const REQUIRED = '400 ERR_TENANT_REQUIRED'
  const INVALID = '400 ERR_TENANT_INVALID'

  test.each([
    ['acme.example.com', 'acme'],
    ['ACME.Example.COM', 'acme'],
    ['acme.example.com:8080', 'acme'],
    ['acme-corp.example.com', 'acme-corp'],
    ['a.b.example.com', REQUIRED],
    ['example.com', REQUIRED],
    ['localhost', REQUIRED],
    ['127.0.0.1', REQUIRED],
    ['127.0.0.1:3000', REQUIRED],
    ['[::1]:3000', REQUIRED],
    ['shared.example.com', INVALID],
  ])('by the number of labels: %s is %s', async (host, answer) => {
    expect(await answerOf(appWith({ resolve: fromSubdomain() }), { host })).toBe(answer)
  })

  test.each([
    ['acme.app.example.com', 'acme'],
    ['ACME.App.Example.COM:8080', 'acme'],
    ['a.b.app.example.com', INVALID],
    ['app.example.com', REQUIRED],
    ['.app.example.com', REQUIRED],
    ['acme.example.com', REQUIRED],
    ['acmeapp.example.com', REQUIRED],
    ['acme.app.example.com.evil.net', REQUIRED],
    ['evil.net', REQUIRED],
    ['127.0.0.1', REQUIRED],
    ['[::1]', REQUIRED],
  ])('below a domain: %s is %s', async (host, answer) => {
    const app = appWith({ resolve: fromSubdomain({ domain: 'App.example.com' }) })
    expect(await answerOf(app, { host })).toBe(answer)
  })

  it('does not believe a forwarded host, unless the proxy is trusted', async () => {
    const headers = { host: 'acme.example.com', 'x-forwarded-host': 'globex.example.com' }
    for (const resolve of [fromSubdomain(), fromSubdomain({ domain: 'example.com' })]) {
      expect(await answerOf(appWith({ resolve }), headers)).toBe('acme')
      const trusting = appWith({ resolve }, app => void app.set('trust proxy', true))
      expect(await answerOf(trusting, headers)).toBe('globex')
    }
  })
})

describe('fromRequest', () => {
  test.each<[string, TenantResolver]>([
    ['at once', req => req.get('x-customer')],
    ['later', async req => req.get('x-customer')],
  ])('takes what the function says %s', async (_when, resolve) => {
    const app = appWith({ resolve: fromRequest(resolve) })
    expect(await answerOf(app, { 'x-customer': 'acme' })).toBe('acme')
    expect(await answerOf(app)).toBe('400 ERR_TENANT_REQUIRED')
  })

  it('passes on what the function throws', async () => {
    const resolve = fromRequest(() => {
      throw new Error('bad token')
    })
    expect(await answerOf(appWith({ resolve }))).toBe('500 bad token')
  })
})

describe('fromClsHooked', () => {
  const namespace = createNamespace('application')

  function clsApp(value: unknown, bound: boolean) {
    return appWith({ resolve: fromClsHooked(namespace, 'tenant') }, app => {
      app.use((req, res, next) => {
        if (bound) namespace.bindEmitter(req)
        if (bound) namespace.bindEmitter(res)
        namespace.run(() => {
          namespace.set('tenant', value)
          next()
        })
      })
    })
  }

  test.each([true, false])('reads the real namespace, with bindEmitter: %s', async bound => {
    expect(await answerOf(clsApp('acme', bound))).toBe('acme')
    expect(await answerOf(clsApp(undefined, bound))).toBe('400 ERR_TENANT_REQUIRED')
    expect(await answerOf(clsApp(null, bound))).toBe('400 ERR_TENANT_REQUIRED')
    expect(await answerOf(clsApp(5, bound))).toBe('400 ERR_TENANT_INVALID')
    expect(await answerOf(clsApp({ id: 'acme' }, bound))).toBe('400 ERR_TENANT_INVALID')
  })

  it('finds no tenant outside of a run of the namespace', async () => {
    const app = appWith({ resolve: fromClsHooked(namespace, 'tenant') })
    expect(await answerOf(app)).toBe('400 ERR_TENANT_REQUIRED')
  })

  test.each([true, false])(
    'survives an upload whose body arrives late, with bindEmitter: %s',
    async bound => {
      const driver = new WatchedDriver()
      const storage = storageOver(driver)
      const app = express()
      app.use((req, _res, next) => {
        if (bound) namespace.bindEmitter(req)
        namespace.run(() => {
          namespace.set('tenant', 'acme')
          next()
        })
      })
      app.use(tenant({ resolve: fromClsHooked(namespace, 'tenant') }))
      const upload = multer({ storage: tenantStorage(storage, { folder: 'files' }) })
      app.post('/', upload.single('a'), (_req, res) => void res.json(getTenant()))
      const { url } = await listen(app)
      const parts = [{ name: 'a', filename: 'a.pdf', body: padded(PDF, 1_000) }]
      const response = await sendSlowly({ url, parts, chunkSize: 100, delay: 3 })
      expect([response.status, response.json()]).toEqual([200, 'acme'])
      expect((await keysOf(driver)).map(key => key.split('/')[1])).toEqual(['acme'])
    },
  )
})
