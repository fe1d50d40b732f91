import { AssertionError } from 'node:assert'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { assertTenantIsolation, type TenantIsolationOptions } from '../../../src/testing/index.js'
import { listen } from '../../integration/http.js'
import { PDF } from '../../upload/sample-files.js'
import { type Hole, type OrderApp, orderApp } from './order-app.js'

interface Row {
  id: number
  owner: string
  key: string
}

type Options = TenantIsolationOptions<Row>

function optionsFor({ app, storage }: OrderApp, more: Partial<Options> = {}): Options {
  return {
    app,
    storage,
    tenants: ['acme', 'globex'],
    as: ({ memberOf, actsFor }) => ({
      headers: {
        'x-user': memberOf === null ? undefined : `member of ${memberOf}`,
        'x-tenant': actsFor ?? undefined,
      },
    }),
    upload: { path: '/orders', field: 'file', file: { name: 'order.pdf', body: PDF } },
    doors: [
      { name: 'one order', path: row => `/orders/${row.id}` },
      { name: 'its file', path: row => `/orders/${row.id}/download` },
      { name: 'delete an order', method: 'DELETE', path: row => `/orders/${row.id}` },
      { name: 'all orders', path: '/orders' },
    ],
    edit: { path: row => `/orders/${row.id}` },
    ...more,
  }
}

/** The sentences of the one AssertionError. */
async function violations(check: Promise<void>): Promise<string[]> {
  const error = await check.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return []
  if (!(error instanceof AssertionError)) throw error
  const [first = '', ...lines] = error.message.split('\n')
  expect(first).toMatch(new RegExp(`^The tenants are not apart: ${lines.length} violations?\\.$`))
  for (const line of lines) expect(line).toMatch(/^ {2}- [A-Z].*\.$/)
  expect(error.message).not.toMatch(/signature=|expires=/)
  return lines.map(line => line.slice(4))
}

const found = async (hole?: Hole, more: Partial<Options> = {}) =>
  violations(assertTenantIsolation(optionsFor(await orderApp(hole), more)))

describe('assertTenantIsolation passes an application', () => {
  it('that keeps its tenants apart', async () => {
    expect(await found()).toEqual([])
  })

  it.each(['download redirects', 'numbered errors'] as const)(
    'that is another, yet without a hole: %s',
    async way => {
      expect(await found(way)).toEqual([])
    },
  )

  it('that reads keys of the own tenant from the query', async () => {
    const doors = [{ name: 'raw', path: (row: Row) => `/raw?key=${row.key}` }]
    const missing = (row: Row) => ({ ...row, key: row.key.replace('orders/', 'others/') })
    expect(await found(undefined, { doors, missing })).toEqual([])
  })

  it('that binds signed addresses to the tenant of the request', async () => {
    const bound = async (more: Partial<Options>) =>
      violations(assertTenantIsolation(optionsFor(await orderApp(undefined, { files: 'behind' }), more)))
    expect(await bound({ signedUrls: 'bound' })).toEqual([])
    expect(await bound({})).toEqual([])
  })

  it('that finds the tenant in its host name', async () => {
    const order = await orderApp(undefined, { by: 'subdomain' })
    const as: Options['as'] = ({ memberOf, actsFor }) => ({
      headers: { host: `${actsFor}.example.com`, 'x-user': `member of ${memberOf}` },
    })
    await assertTenantIsolation(optionsFor(order, { as }))
  })

  it('that runs somewhere already', async () => {
    const order = await orderApp()
    const { url } = await listen(order.app)
    await assertTenantIsolation({ ...optionsFor(order), app: undefined, baseUrl: `${url}/` })
  })

  it('whose tenants differ in case only, or in an ending', async () => {
    for (const tenants of [
      ['acme', 'ACME'],
      ['acme-corp', 'acme'],
      ['7', '77'],
    ] as const)
      expect(await found(undefined, { tenants })).toEqual([])
  })
})

describe('assertTenantIsolation catches', () => {
  const holes: [Hole, RegExp][] = [
    [
      'find without tenant',
      /^The door "one order" opens and shows its name, its key or address to a member of "globex"; .*\d more\.$/,
    ],
    [
      'find without tenant',
      /^The door "its file" answers 404 \(ERR_FILE_NOT_FOUND .* tells that it exists, to a member of "globex"; /,
    ],
    [
      'list without tenant',
      /^The door "all orders" shows a file of the owner \(its name, its key or address\) to a member of "globex"; /,
    ],
    [
      'list by the start of the name',
      /^The door "all orders" shows a file of the owner \(.*\) to a member of "acm"\.$/,
    ],
    ['delete without tenant', /^The door "delete an order" opens to a member of "globex"\.$/],
    [
      'delete, and say it is not there',
      /^Through the door "delete an order" strangers removed a file of the owner\.$/,
    ],
    [
      'telling error',
      /^The door "one order" answers 403 \(FORBIDDEN\) for the owner's row and 404 \(NOT_FOUND No such order\.\) for one that never was, and so tells that it exists, to a member of "globex"; /,
    ],
    [
      'telling message',
      /^The door "its file" answers 404 \(NOT_FOUND This order belongs to acme\.\) for the owner's row and 404 /,
    ],
    [
      'header trusted',
      /^The door "one order" opens and shows .* to a member of "globex" who asks for "acme"; nobody who asks for "acme"; /,
    ],
    [
      'header trusted',
      /^An upload under the owner is taken from a member of "globex" who asks for "acme"\.$/,
    ],
    [
      'capitals folded',
      /^The door "one order" opens and shows .* to a member of "ACME"; a member of "Acme"\.$/,
    ],
    ['capitals folded', /^An upload under the owner is taken from a member of "ACME"\.$/],
    [
      'tenant from the form',
      /^An upload lands under the owner when a field of the form says so, for a member of "globex"\.$/,
    ],
    [
      'tenant from the query',
      /^An upload lands under the owner when the query says so, for a member of "globex"\.$/,
    ],
    ['tenant in a global', /^Uploads of two tenants at the same time are mixed up\.$/],
    [
      'file from the body',
      /^A file that was forged in the body of a request becomes the owner's, for a member of "globex"/,
    ],
    ['files served plainly', /^The file's address is still good without its signature\.$/],
    ['files served plainly', /^The file's address is still good with another signature\.$/],
    ['query tidied up', /^The file's address is still good with a parameter twice\.$/],
    ['query tidied up', /^The file's address is still good with its parameters in another order\.$/],
  ]

  const runs = new Map<Hole, Promise<string[]>>()
  const foundOnce = (hole: Hole) => {
    const run = runs.get(hole) ?? found(hole)
    runs.set(hole, run)
    return run
  }

  it.each(holes)('%s: %s', async (hole, sentence) => {
    expect(await foundOnce(hole)).toContainEqual(expect.stringMatching(sentence))
  })

  it('a key and its owner that are taken from the query', async () => {
    const doors = [{ name: 'raw', path: (row: Row) => `/raw?owner=${row.owner}&key=${row.key}` }]
    expect(
      await found('key from the query', { doors, missing: row => ({ ...row, key: 'orders/none' }) }),
    ).toEqual([expect.stringMatching(/^The door "raw" opens and shows its bytes to a member of "globex"; /)])
  })

  it('a key in the query that climbs to another tenant', async () => {
    const doors = [{ name: 'raw', path: (row: Row) => `/raw?key=${row.key}` }]
    const [first] = await found('path from the query', {
      doors,
      missing: row => ({ ...row, key: 'orders/none' }),
    })
    expect(first).toMatch(/^The door "raw" opens and shows its bytes to a member of "globex"; /)
  })

  it('signed addresses that are said to be bound to their tenant, and are not', async () => {
    expect(await found(undefined, { signedUrls: 'bound' })).toEqual([
      expect.stringMatching(/^The file's address is bound to its tenant, and opens to nobody; /),
    ])
  })

  it('all holes at once', async () => {
    const sentences = await foundOnce('header trusted')
    expect(sentences.length).toBeGreaterThan(4)
  })
})

describe('assertTenantIsolation does not pass for lack of proof', () => {
  it('where the owner does not get through a door either', async () => {
    const doors = [
      { name: 'wrong', path: (row: Row) => `/order/${row.id}` },
      { name: 'empty', path: '/orders?page=2' },
      { name: 'gone', path: '/nothing' },
    ]
    const app = express()
    const order = await orderApp()
    app.get('/orders', (req, res, next) => (req.query.page === '2' ? void res.json([]) : next()))
    app.use(order.app)
    expect(await violations(assertTenantIsolation(optionsFor({ ...order, app }, { doors })))).toEqual([
      'The door "wrong" proves nothing: the owner is answered 404.',
      'The door "empty" proves nothing: it does not show the file to its owner.',
      'The door "gone" proves nothing: the owner is answered 404.',
    ])
  })

  it('where the owner cannot upload', async () => {
    const upload = { path: '/orders', field: 'file', file: { name: 'order.pdf', body: 'no PDF' } }
    expect(await found(undefined, { upload })).toEqual([
      'Nothing is proved: the upload by a member of "acme" is answered 415.',
    ])
  })

  it('where the upload is stored elsewhere, or answered by no JSON', async () => {
    const { storage } = await orderApp()
    const answering = (text: string) => {
      const app = express()
      app.post('/orders', (req, res) => void req.resume().once('end', () => res.send(text)))
      return violations(assertTenantIsolation(optionsFor({ app, storage })))
    }
    expect(await answering('{"id":1}')).toEqual([
      'Nothing is proved: the upload by a member of "acme" left no object under "acme".',
    ])
    expect(await answering('thanks')).toEqual([
      'Nothing is proved: the upload by a member of "acme" is not answered by JSON.',
    ])
  })

  it('where the file has no address, though the signed one was to be tried', async () => {
    expect(await found(undefined, { signedUrls: 'bearer', urlOf: () => undefined })).toEqual([
      "The signed address proves nothing: the upload's answer holds none.",
    ])
    expect(await found(undefined, { urlOf: () => '/files/elsewhere' })).toEqual([
      'The signed address proves nothing: it does not give the file to its owner.',
    ])
  })

  it.each<[string, Partial<Options>]>([
    ['without an application', { app: undefined }],
    ['with one tenant twice', { tenants: ['acme', 'acme'] }],
    [
      'with an upload that has no id',
      {
        doors: [{ name: 'raw', path: row => `/raw?key=${row.key}` }],
        upload: { path: '/nameless', field: 'file', file: { name: 'order.pdf', body: PDF } },
      },
    ],
  ])('%s', async (_, more) => {
    const order = await orderApp()
    const app = express()
    app.post('/nameless', (req, res, next) => {
      req.url = '/orders'
      const json = res.json.bind(res)
      res.json = ({ id: _id, ...rest }) => json(rest)
      next()
    })
    app.use(order.app)
    const error = await assertTenantIsolation(optionsFor({ ...order, app }, more)).catch(
      (reason: unknown) => reason,
    )
    expect(StorageError.is(error, 'ERR_CONFIG')).toBe(true)
  })
})

it('closes its server, whatever comes out', async () => {
  const before = process.getActiveResourcesInfo().filter(name => name === 'TCPServerWrap').length
  expect(await found('find without tenant')).not.toEqual([])
  expect(process.getActiveResourcesInfo().filter(name => name === 'TCPServerWrap')).toHaveLength(before)
})

it('says so where the application breaks the connection', async () => {
  const { storage } = await orderApp()
  const app = express()
  app.use(req => void req.socket.destroy())
  expect(await violations(assertTenantIsolation(optionsFor({ app, storage })))).toEqual([
    'Nothing is proved: the upload by a member of "acme" is answered by nothing.',
  ])
})
