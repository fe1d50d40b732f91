import type { RequestHandler } from 'express'
import express4 from 'express-4'
import multer, { type Multer } from 'multer'
import { describe, expect, expectTypeOf, it, test } from 'vitest'
import { getTenant, tryGetTenant } from '../../src/core/index.js'
import { limitsByRequest, tenantFilter, type UploadLimits } from '../../src/multer/index.js'
import { PDF, PNG, padded } from '../upload/sample-files.js'
import { failOnUnhandled } from '../upload/support.js'
import { type Answer, file, type Refusal, uploadApp } from './upload-app.js'

failOnUnhandled()

const slowly = { chunkSize: 60, delay: 3 }

describe('every way of Multer to take a form', () => {
  const ways: [string, (upload: Multer) => RequestHandler][] = [
    ['single', upload => upload.single('a')],
    ['array', upload => upload.array('a', 2)],
    ['fields', upload => upload.fields([{ name: 'a', maxCount: 1 }])],
    ['any', upload => upload.any()],
  ]
  test.each(ways)('%s() stores the file, and tells the fields', async (_name, route) => {
    const app = await uploadApp({ route })
    const response = await app.send([{ name: 'note', body: 'hi' }, file('a', '1.pdf', PDF)], slowly)
    expect([response.status, response.json<Answer>().body]).toEqual([200, { note: 'hi' }])
    expect(await app.keys()).toHaveLength(1)
  })

  test.each([
    ['single', 2, ways[0]![1]],
    ['array', 3, ways[1]![1]],
    ['fields', 2, ways[2]![1]],
    ['none', 1, (upload: Multer) => upload.none()],
  ] as const)('%s() refuses a file too many, and keeps none', async (_name, count, route) => {
    const app = await uploadApp({ route })
    const parts = Array.from({ length: count }, (_each, index) => file('a', `${index}.pdf`, PDF))
    const response = await app.send(parts, slowly)
    expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'LIMIT_UNEXPECTED_FILE'])
    expect([await app.keys(), app.handled]).toEqual([[], []])
  })

  it('none() takes a form without files', async () => {
    const app = await uploadApp({ route: upload => upload.none() })
    const response = await app.send([{ name: 'note', body: 'hi' }])
    expect([response.status, response.json<Answer>().body]).toEqual([200, { note: 'hi' }])
  })
})

describe('limits that depend on the request', () => {
  const files: Record<string, number> = { acme: 1, globex: 2 }
  const limits = limitsByRequest(() => ({ files: files[getTenant()] ?? 0 }))

  it('are asked as the tenant of the request', async () => {
    const app = await uploadApp({ multer: { limits } })
    const parts = [file('a', '1.pdf', PDF), file('a', '2.pdf', PDF)]
    const refused = await app.send(parts, slowly)
    expect([refused.status, refused.json<Refusal>().error.code]).toEqual([400, 'LIMIT_FILE_COUNT'])
    expect(await app.keys()).toEqual([])
    const response = await app.send(parts, { ...slowly, headers: { 'x-tenant': 'globex' } })
    expect([response.status, (await app.keys()).length]).toEqual([200, 2])
  })

  it('that throw are an error of the request', async () => {
    const broken = limitsByRequest(() => {
      throw new Error('no plan')
    })
    const app = await uploadApp({ multer: { limits: broken } })
    expect((await app.send([file('a', '1.pdf', PDF)])).status).toBe(500)
    expect(app.errors).toMatchObject([{ message: 'no plan' }])
    expect(app.driver.puts).toBe(0)
  })

  it('that come later are an error of the request: Multer would take a promise for no limits at all', async () => {
    const later = limitsByRequest((async () => ({ files: 1 })) as never)
    const app = await uploadApp({ multer: { limits: later } })
    expect((await app.send([file('a', '1.pdf', PDF), file('a', '2.pdf', PDF)])).status).toBe(500)
    expect(app.errors).toMatchObject([{ code: 'ERR_CONFIG' }])
    expect(app.driver.puts).toBe(0)
    const failed = limitsByRequest((() => Promise.reject(new Error('no plan'))) as never)
    expect(
      (await (await uploadApp({ multer: { limits: failed } })).send([file('a', '1.pdf', PDF)])).status,
    ).toBe(500)
  })

  it('have the types of Multer, which does not know them yet', () => {
    expectTypeOf(limits).toEqualTypeOf<NonNullable<multer.Options['limits']>>()
    expectTypeOf(limitsByRequest).parameter(0).returns.toEqualTypeOf<UploadLimits>()
    // @ts-expect-error @types/multer 2.3.0: once this compiles, limitsByRequest is no longer needed
    multer({ limits: () => ({ files: 1 }) })
    // @ts-expect-error a limit that does not exist
    limitsByRequest(() => ({ filez: 1 }))
  })
})

describe('a fileFilter', () => {
  it('by tenantFilter runs as the tenant and sees the true name, also when the body is late', async () => {
    const seen: unknown[] = []
    const fileFilter = tenantFilter(async (_req, each, done) => {
      await Promise.resolve()
      seen.push([tryGetTenant(), each.originalname, each.fieldname])
      done(null, true)
    })
    const app = await uploadApp({ multer: { fileFilter } })
    const response = await app.send([file('a', 'Ã©.pdf', PDF), file('b', '报告.pdf', PDF)], slowly)
    const names = response.json<Answer>().files?.map(each => each.originalname)
    expect([names, seen]).toEqual([
      ['Ã©.pdf', '报告.pdf'],
      [
        ['acme', 'Ã©.pdf', 'a'],
        ['acme', '报告.pdf', 'b'],
      ],
    ])
  })

  it('that refuses leaves the file out, and stores nothing of it', async () => {
    const fileFilter = tenantFilter((_req, each, done) => done(null, each.originalname.endsWith('.png')))
    const app = await uploadApp({ multer: { fileFilter } })
    const response = await app.send([file('a', '1.pdf', padded(PDF, 300_000)), file('a', '2.png', PNG)])
    expect(response.json<Answer>().files).toHaveLength(1)
    expect(app.driver.puts).toBe(1)
  })

  test.each([
    ['throws', () => Promise.reject(new Error('refused'))],
    [
      'throws at once',
      () => {
        throw new Error('refused')
      },
    ],
    [
      'gives an error',
      (_req: unknown, _file: unknown, done: multer.FileFilterCallback) => done(new Error('refused')),
    ],
    [
      'answers twice',
      (_req: unknown, _file: unknown, done: multer.FileFilterCallback) => {
        done(new Error('refused'))
        done(null, true)
      },
    ],
  ])('that %s refuses the form', async (_how, filter) => {
    const app = await uploadApp({ multer: { fileFilter: tenantFilter(filter) } })
    expect((await app.send([file('a', '1.pdf', PDF)])).status).toBe(500)
    expect(app.errors).toMatchObject([{ message: 'refused' }])
    expect(await app.keys()).toEqual([])
  })
})

describe.each([
  ['5', undefined],
  ['4', express4],
])('the error handler of Express %s itself', (_version, framework) => {
  test.each([
    ['a refused type', { folder: 'files', accept: ['image/*'] }, PDF, 415],
    ['a file too large', { folder: 'files', maxSize: 100 }, padded(PDF, 101), 413],
    ['an empty file', { folder: 'files' }, Buffer.alloc(0), 400],
  ])('answers %s with its status', async (_what, rules, body, status) => {
    const app = await uploadApp({ rules, answering: 'express', ...(framework && { framework }) })
    expect((await app.send([file('a', 'a.pdf', body)])).status).toBe(status)
    expect(await app.keys()).toEqual([])
  })

  it('answers a backend that is down with 502, and a handler that throws with 500', async () => {
    const app = await uploadApp({ answering: 'express', ...(framework && { framework }) })
    app.driver.before = () => {
      throw Object.assign(new Error('down'), { status: 502 })
    }
    expect((await app.send([file('a', 'a.pdf', PDF)])).status).toBe(502)
  })
})
