import fc from 'fast-check'
import { describe, expect, it, test, vi } from 'vitest'
import { PDF, PNG, padded } from '../upload/sample-files.js'
import { failOnUnhandled } from '../upload/support.js'
import { LAST, part, type RawRequest, sendRaw } from './raw-request.js'
import { file, type Refusal, type UploadAppOptions, uploadApp } from './upload-app.js'

failOnUnhandled()

const pdf = (name: string, filename: string, body: Buffer | string = PDF) =>
  part(`Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: a/b`, body)

type App = Awaited<ReturnType<typeof uploadApp>>

/** Every upload that was begun has ended in the ledger, no object is left, and no connection. */
async function expectClean(app: App, keys = 0): Promise<void> {
  await vi.waitFor(async () => {
    expect(await app.keys()).toHaveLength(keys)
    expect(app.ledger.lines.filter(line => line === 'stage').length).toBe(
      app.ledger.lines.filter(line => /^(abandon|leave|discard|confirm)/.test(line)).length -
        app.ledger.lines.filter(line => line === 'discard').length,
    )
    expect(await connections(app)).toBe(0)
  }, 3_000)
}

function connections({ server }: App): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )
}

async function answerTo(request: RawRequest, options: UploadAppOptions = {}) {
  const app = await uploadApp(options)
  const { status, json } = await sendRaw(app.url, request)
  return { app, status, code: json.error?.code, json }
}

describe('a form that is cut', () => {
  const FORM = Buffer.concat([
    part('Content-Disposition: form-data; name="note"', 'hello'),
    pdf('a', '1.pdf'),
    pdf('a', '2.pdf', padded(PDF, 90_000)),
    LAST,
  ])
  // The last two bytes are the line break after the final boundary, which nobody needs.
  const WHOLE = FORM.length - 2
  const cuts = fc.oneof(
    fc.integer({ min: 0, max: 400 }),
    fc.integer({ min: 0, max: FORM.length }),
    fc.integer({ min: FORM.length - 8, max: FORM.length }),
  )

  it('anywhere is refused as a whole, and the client is told', async () => {
    const app = await uploadApp()
    await fc.assert(
      fc.asyncProperty(cuts, fc.constantFrom(undefined, 'chunked' as const), async (cut, length) => {
        const body = FORM.subarray(0, cut)
        const { status, json } = await sendRaw(app.url, {
          body,
          chunkSize: 30_000,
          ...(length && { length }),
        })
        const before = await app.keys()
        if (cut >= WHOLE) {
          expect([status, before.length]).toEqual([200, 2])
          for (const key of before) await app.driver.delete(key)
        } else {
          expect([status, json.error?.code, before]).toEqual([400, 'MALFORMED_FORM', []])
        }
      }),
      {
        numRuns: 60,
        examples: [
          [0, undefined],
          [1, undefined],
          [WHOLE - 1, undefined],
          [WHOLE, 'chunked'],
        ],
      },
    )
    await expectClean(app)
  })

  it('anywhere, with its connection, leaves nothing', async () => {
    const app = await uploadApp()
    await fc.assert(
      fc.asyncProperty(
        cuts.filter(cut => cut < WHOLE),
        fc.constantFrom(FORM.length, 'chunked' as const),
        async (cut, length) => {
          const body = FORM.subarray(0, cut)
          const { status } = await sendRaw(app.url, { body, length, chunkSize: 30_000, ending: 'destroy' })
          expect(status).toBe(0)
        },
      ),
      {
        numRuns: 60,
        examples: [
          [0, 'chunked'],
          [1, FORM.length],
          [WHOLE - 1, FORM.length],
        ],
      },
    )
    await expectClean(app)
    expect(app.handled).toEqual([])
  })
})

describe('a form whose parts are odd', () => {
  const noName = 'Content-Disposition: form-data'
  test.each([
    ['has no name and no filename', part(noName, 'x'), 400, 'MISSING_FIELD_NAME'],
    ['has a filename and no name', part(`${noName}; filename="a.pdf"`, PDF), 400, 'MISSING_FIELD_NAME'],
    ['has no Content-Disposition', part('Content-Type: text/plain', 'x'), 200, undefined],
    ['has a header that is none', part('Content-Disposition form-data', PDF), 400, 'MALFORMED_FORM'],
    ['has an empty filename', pdf('a', ''), 200, undefined],
    ['has a name of 101 bytes', part(`${noName}; name="${'n'.repeat(101)}"`, 'x'), 200, undefined],
    [
      'has a header of 20,000 bytes',
      part(`${noName}; name="${'n'.repeat(20_000)}"`, 'x'),
      400,
      'MALFORMED_FORM',
    ],
  ])('because one %s stores nothing of it', async (_what, odd, status, code) => {
    const got = await answerTo({ body: Buffer.concat([odd, LAST]), chunkSize: 50, delay: 1 })
    expect([got.status, got.code]).toEqual([status, code])
    await expectClean(got.app)
  })

  test.each([
    ['multipart/form-data', 400, 'MALFORMED_FORM'],
    // what Multer does not take for a form it leaves alone
    ['multipart/form-data; boundary=', 200, undefined],
    ['multipart/mixed; boundary=x', 400, 'MALFORMED_FORM'],
    ['multipart/form-data; boundary=y', 400, 'MALFORMED_FORM'],
    ['application/json', 200, undefined],
  ])('of type %s is answered', async (type, status, code) => {
    const body = Buffer.concat([pdf('a', '1.pdf'), LAST])
    const got = await answerTo({ body, headers: { 'Content-Type': type } })
    expect([got.status, got.code]).toEqual([status, code])
    await expectClean(got.app)
  })

  it('of thousands of fields is taken, or refused where the application says how many', async () => {
    const fields = Array.from({ length: 5_000 }, (_each, index) => part(`${noName}; name="f${index}"`, 'x'))
    const body = Buffer.concat([pdf('a', '1.pdf'), ...fields, LAST])
    const taken = await answerTo({ body })
    expect([taken.status, Object.keys(taken.json.body as object).length]).toEqual([200, 5_000])
    const refused = await answerTo({ body }, { multer: { limits: { fields: 100 } } })
    expect([refused.status, refused.code]).toEqual([400, 'LIMIT_FIELD_COUNT'])
    await expectClean(refused.app)
  })

  it('of nested names is taken as data, and changes no prototype', async () => {
    const names = [
      'a[b][c]',
      'a[b][d][]',
      '__proto__[polluted]',
      'constructor[prototype][polluted]',
      '__proto__',
    ]
    const fields = names.map(name => part(`${noName}; name="${name}"`, 'x'))
    const { app, status, json } = await answerTo({
      body: Buffer.concat([...fields, pdf('a[b][file]', '1.pdf'), LAST]),
    })
    expect([status, (json.body as { a: unknown }).a]).toEqual([200, { b: { c: 'x', d: ['x'] } }])
    expect(({} as Record<string, unknown>).polluted).toBe(undefined)
    expect((json.files as Express.Multer.File[])[0]?.fieldname).toBe('a[b][file]')
    await expectClean(app, 1)
  })

  test.each([
    ['a'.concat('[b]'.repeat(50)), { fieldNestingDepth: 5 }, 'LIMIT_FIELD_NESTING'],
    ['a[100000]', { fieldArrayIndexLimit: 100 }, 'LIMIT_FIELD_ARRAY_INDEX'],
  ])('with the name %s is refused where the application says so', async (name, limits, code) => {
    const body = Buffer.concat([pdf('a', '1.pdf'), part(`${noName}; name="${name}"`, 'x'), LAST])
    const got = await answerTo({ body }, { multer: { limits } })
    expect([got.status, got.code]).toEqual([400, code])
    await expectClean(got.app)
  })

  it('with the same file field twice gives both files, each with its bytes', async () => {
    const { app, json } = await answerTo({
      body: Buffer.concat([pdf('a', 'x.pdf'), pdf('a', 'x.png', PNG), LAST]),
    })
    const files = json.files as Express.Multer.File[]
    expect(files.map(each => [each.originalname, each.mimetype, each.size])).toEqual([
      ['x.pdf', 'application/pdf', PDF.length],
      ['x.png', 'image/png', PNG.length],
    ])
    expect(new Set(await app.keys()).size).toBe(2)
  })
})

describe('a file of', () => {
  const limits = { folder: 'files', maxSize: 200_000 }
  test.each([
    ['no byte', 0, 400, 'ERR_FILE_EMPTY'],
    ['one byte', 1, 200, undefined],
    ['exactly the limit', 200_000, 200, undefined],
    ['the limit and one byte', 200_001, 413, 'ERR_FILE_TOO_LARGE'],
  ])(
    '%s is answered as it should be, also when it comes byte by byte at its ends',
    async (_what, size, status, code) => {
      const app = await uploadApp({ rules: limits })
      for (const pace of [
        { chunkSize: 7_001, delay: 1 },
        { chunkSize: 1_000_000, delay: 0 },
      ]) {
        const response = await app.send([file('a', 'a.bin', Buffer.alloc(size, 7))], pace)
        expect([response.status, response.json<Partial<Refusal>>().error?.code]).toEqual([status, code])
      }
      expect(await app.keys()).toHaveLength(status === 200 ? 2 : 0)
    },
  )

  test.each([
    ['a picture in front of a page', Buffer.concat([PNG, Buffer.from('<script>alert(1)</script>')]), 200],
    ['a page that calls itself a picture', Buffer.from('<!doctype html><script>alert(1)</script>'), 415],
    ['a page behind 300 spaces', Buffer.from(`${' '.repeat(300)}<html><body>`), 415],
    [
      'svg that calls itself png',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
      415,
    ],
    ['a zip that calls itself png', Buffer.from('PK\x03\x04................', 'latin1'), 415],
  ])('two minds, %s, is judged by its first bytes', async (_what, body, status) => {
    const app = await uploadApp({ rules: { folder: 'files', accept: ['image/*'] } })
    const response = await app.send([file('a', 'photo.png', body, 'image/png')], { chunkSize: 9 })
    expect(response.status).toBe(status)
    const names = await app.keys()
    expect(names.every(key => key.endsWith('.png'))).toBe(true)
    expect(names).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('a client that sends very slowly', () => {
  const body = Buffer.concat([pdf('a', '1.pdf', padded(PDF, 300_000)), LAST])

  it('and stops within a file is answered after the idle time, and its connection is closed', async () => {
    const app = await uploadApp({ uploads: { idleTimeout: 0.1 } })
    app.server.requestTimeout = 0 // nobody else would end it
    for (const cut of [200, 60_000, 200_000]) {
      const answer = await sendRaw(app.url, { body: body.subarray(0, cut), length: body.length })
      expect([answer.status, answer.json.error?.code, answer.closes]).toEqual([
        408,
        'ERR_UPLOAD_TIMEOUT',
        true,
      ])
    }
    await expectClean(app)
  })

  it('but without a pause is answered when the whole upload takes too long', async () => {
    const app = await uploadApp({ uploads: { deadline: 0.2 } })
    app.server.requestTimeout = 0
    const answer = await sendRaw(app.url, { body, chunkSize: 2_000, delay: 5 })
    expect([answer.status, answer.json.error?.code]).toEqual([408, 'ERR_UPLOAD_TIMEOUT'])
    await expectClean(app)
  })

  it('and goes on sending after that is not heard any more', async () => {
    const app = await uploadApp({ uploads: { idleTimeout: 0.1 } })
    const answer = await sendRaw(app.url, { body, chunkSize: 100_000, delay: 400 })
    expect(answer.status).toBe(408)
    await expectClean(app)
    expect(app.errors).toHaveLength(1)
  })

  it('outside of a file is ended by the time that the server gives a request', async () => {
    const app = await uploadApp({ server: { requestTimeout: 200, connectionsCheckingInterval: 50 } })
    const field = part('Content-Disposition: form-data; name="note"', 'x'.repeat(100)).subarray(0, 80)
    const answer = await sendRaw(app.url, { body: field, length: 1_000 })
    expect(answer.status).toBe(408)
    await expectClean(app)
  })
})
