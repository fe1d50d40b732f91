import { PassThrough } from 'node:stream'
import type { Request } from 'express'
import multer from 'multer'
import { describe, expect, it, test } from 'vitest'
import { tryGetTenant } from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { post } from '../integration/http.js'
import { PDF, PNG, padded } from '../upload/sample-files.js'
import { failOnUnhandled, storageOver } from '../upload/support.js'
import { type Answer, file, keepAlive, type Refusal, uploadApp } from './upload-app.js'

failOnUnhandled()

const BIG = padded('%PDF-1.4\n', 400_000)

describe('a file that is uploaded', () => {
  it('by single() is on req.file, as it truly is', async () => {
    const rules = { folder: 'files', mismatch: 'store' } as const
    const app = await uploadApp({ rules, route: upload => upload.single('doc') })
    const response = await app.send([
      file('doc', 'report.txt', PDF, 'text/html'),
      { name: 'note', body: 'hi' },
    ])
    const { file: got, body, tenant } = response.json<Answer>()
    expect(response.status).toBe(200)
    expect([tenant, body]).toEqual(['acme', { note: 'hi' }])
    expect(got).toMatchObject({
      fieldname: 'doc',
      originalname: 'report.txt',
      mimetype: 'application/pdf',
      size: PDF.length,
      stored: { name: 'report.txt', size: PDF.length, type: 'application/pdf' },
    })
    const [key] = await app.keys()
    expect(key).toMatch(/^media\/acme\/files\/[0-9a-f-]{36}\.pdf$/)
    expect(Buffer.from(await bytesOf(app.driver, key ?? '')).equals(PDF)).toBe(true)
  })

  it('by array(), fields() or any() is in req.files, in the order of the form', async () => {
    const parts = [file('a', '1.pdf', PDF), file('a', '2.png', PNG), file('a', '3.pdf', BIG)]
    for (const route of [
      (upload: multer.Multer) => upload.array('a'),
      (upload: multer.Multer) => upload.any(),
    ]) {
      const app = await uploadApp({ route })
      const { files } = (await app.send(parts)).json<Answer>()
      expect(files?.map(each => [each.originalname, each.mimetype, each.size])).toEqual([
        ['1.pdf', 'application/pdf', PDF.length],
        ['2.png', 'image/png', PNG.length],
        ['3.pdf', 'application/pdf', BIG.length],
      ])
      expect(await app.keys()).toHaveLength(3)
    }
    const app = await uploadApp({ route: upload => upload.fields([{ name: 'a' }, { name: 'b' }]) })
    const { files } = (await app.send([file('b', '1.pdf', PDF), file('a', '2.png', PNG)])).json<{
      files: Record<string, Express.Multer.File[]>
    }>()
    expect([files.a?.[0]?.mimetype, files.b?.[0]?.mimetype]).toEqual(['image/png', 'application/pdf'])
  })

  it('goes by the rules of its own field', async () => {
    const rules = { avatar: { folder: 'avatars', accept: ['image/*'] }, contract: { folder: 'contracts' } }
    const app = await uploadApp({ rules })
    const response = await app.send([file('contract', 'c.pdf', PDF), file('avatar', 'a.png', PNG)])
    expect(response.status).toBe(200)
    expect((await app.keys()).map(key => key.split('/')[2])).toEqual(['avatars', 'contracts'])
    const refused = await app.send([file('avatar', 'c.png', PDF)])
    expect([refused.status, refused.json<Refusal>().error.code]).toEqual([415, 'ERR_FILE_TYPE'])
  })

  it.each(['other', '__proto__', 'constructor', 'toString', 'folder'])(
    'in the field %s, which has no rules, is refused',
    async name => {
      const app = await uploadApp({ rules: { avatar: { folder: 'avatars' } } })
      const response = await app.send([file(name, 'a.png', PNG)])
      expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'ERR_FIELD_UNEXPECTED'])
      expect(app.driver.puts).toBe(0)
    },
  )

  it('without a tenant is refused', async () => {
    const app = await uploadApp()
    const response = await app.send([file('a', 'a.pdf', PDF)], { headers: {} })
    expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'ERR_TENANT_REQUIRED'])
    expect(app.driver.puts).toBe(0)
  })

  it('that is empty is refused, and the request ends', async () => {
    const app = await uploadApp()
    const response = await app.send([file('a', 'a.pdf', '')])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'ERR_FILE_EMPTY'])
  })

  it('that a fileFilter refuses is not stored', async () => {
    const app = await uploadApp({ multer: { fileFilter: (_req, _file, done) => done(null, false) } })
    expect((await app.send([file('a', 'a.pdf', BIG)])).status).toBe(200)
    expect(app.driver.puts).toBe(0)
  })
})

async function bytesOf(driver: MemoryDriver, key: string): Promise<Buffer> {
  const { body } = await driver.get(key)
  return Buffer.concat(await body.toArray())
}

describe('the name of a file', () => {
  const uploadNamed = async (filename: Buffer): Promise<Refusal & Answer> => {
    const app = await uploadApp({ route: upload => upload.single('a') })
    const body = Buffer.concat([
      Buffer.from('--x\r\nContent-Disposition: form-data; name="a"; filename="'),
      filename,
      Buffer.from('"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n'),
    ])
    const headers = { 'x-tenant': 'acme', 'content-type': 'multipart/form-data; boundary=x' }
    return (await post(app.url, headers, body)).json as Refusal & Answer
  }

  test.each(['Prüfung 报告.pdf', 'é.txt', '😀.txt', 'a.txt', 'ä%41.txt'])(
    '%s arrives as it is',
    async name => {
      const { file: got } = await uploadNamed(Buffer.from(name))
      expect([got?.originalname, got?.stored.name]).toEqual([name, name])
    },
  )

  it('in Latin-1 stays what it is', async () => {
    expect((await uploadNamed(Buffer.from('Müller.txt', 'latin1'))).file?.originalname).toBe('Müller.txt')
  })

  it('with an escaped quote has a quote', async () => {
    expect((await uploadNamed(Buffer.from('a%22b.txt'))).file?.originalname).toBe('a"b.txt')
  })

  it('with a path in front loses the path, before it comes to us', async () => {
    expect((await uploadNamed(Buffer.from('../../x.txt'))).file?.originalname).toBe('x.txt')
    expect((await uploadNamed(Buffer.from('C:\\temp\\x.txt'))).file?.originalname).toBe('x.txt')
  })

  it('of two points is no name, and the part no file', async () => {
    expect((await uploadNamed(Buffer.from('..'))).file).toBe(undefined)
  })

  test.each([
    ['an escaped line break', 'a%0D%0ASet-Cookie: b.txt'],
    ['a direction override', 'a\u202etxt.exe'],
    ['300 characters', `${'a'.repeat(296)}.txt`],
  ])('with %s is refused', async (_what, name) => {
    expect((await uploadNamed(Buffer.from(name))).error.code).toBe('ERR_FILE_NAME')
  })
})

describe('a file over a limit', () => {
  test.each([
    [1_000, 3_000, 0],
    [250_000, 400_000, 1],
  ])('of Multer, %i bytes, leaves nothing of %i', async (fileSize, size, puts) => {
    const app = await uploadApp({ multer: { limits: { fileSize } } })
    const response = await app.send([file('a', 'a.pdf', padded(PDF, size))])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([413, 'LIMIT_FILE_SIZE'])
    expect(app.driver.puts).toBeLessThanOrEqual(puts)
    expect(await app.keys()).toEqual([])
    expect(app.ledger.lines.filter(line => line.startsWith('confirm'))).toEqual([])
  })

  test.each([1_000, 250_000])('of the rules, %i bytes, leaves nothing', async maxSize => {
    const app = await uploadApp({ rules: { folder: 'files', maxSize } })
    const response = await app.send([file('a', 'a.pdf', BIG)])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([413, 'ERR_FILE_TOO_LARGE'])
    expect(await app.keys()).toEqual([])
    const exact = await app.send([file('a', 'a.pdf', padded(PDF, maxSize))])
    expect(exact.status).toBe(200)
  })

  it('of Multer may be exactly as large as that', async () => {
    const app = await uploadApp({ multer: { limits: { fileSize: 1_000 } } })
    expect((await app.send([file('a', 'a.pdf', padded(PDF, 1_000))])).status).toBe(200)
  })
})

describe('one bad file of several', () => {
  test.each([
    ['comes second', [file('a', '1.pdf', PDF), file('a', '2.pdf', '')]],
    ['comes first', [file('a', '1.pdf', ''), file('a', '2.pdf', PDF)]],
    ['comes in the middle', [file('a', '1.pdf', BIG), file('a', '2.pdf', ''), file('a', '3.pdf', BIG)]],
  ])('that %s takes the others with it', async (_where, parts) => {
    const app = await uploadApp()
    const response = await app.send(parts)
    expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'ERR_FILE_EMPTY'])
    expect(await app.keys()).toEqual([])
    expect(app.handled).toEqual([])
  })

  it('takes the others with it too where it is in a field that nobody listed', async () => {
    const app = await uploadApp({ route: upload => upload.single('a') })
    const response = await app.send([file('a', '1.pdf', PDF), file('b', '2.pdf', PDF)])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'LIMIT_UNEXPECTED_FILE'])
    expect(await app.keys()).toEqual([])
  })
})

describe('a body that arrives late', () => {
  const slowly = { chunkSize: 100, delay: 3 }
  const parts = [file('a', 'a.pdf', padded(PDF, 1_500)), file('a', 'b.pdf', padded(PDF, 500))]

  it('loses AsyncLocalStorage inside of Multer, and is stored under its tenant all the same', async () => {
    const seen: unknown[] = []
    const fileFilter: multer.Options['fileFilter'] = (_req, _file, done) => {
      seen.push(tryGetTenant())
      done(null, true)
    }
    const app = await uploadApp({ multer: { fileFilter } })
    const response = await app.send(parts, slowly)
    expect(seen).toContain(undefined) // else this test shows nothing
    expect(response.json<Answer>().tenant).toBe('acme')
    expect((await app.keys()).map(key => key.split('/')[1])).toEqual(['acme', 'acme'])
  })

  it('has its own tenant on a connection that served another one before', async () => {
    const app = await uploadApp()
    const agent = keepAlive({ maxSockets: 1 })
    for (const tenant of ['acme', 'globex', undefined, 'acme']) {
      const headers = tenant === undefined ? {} : { 'x-tenant': tenant }
      const response = await app.send([file('a', 'a.pdf', padded(PDF, 1_000))], { ...slowly, headers, agent })
      expect(response.status).toBe(tenant === undefined ? 400 : 200)
      if (tenant !== undefined) expect(response.json<Answer>().tenant).toBe(tenant)
    }
    expect((await app.keys()).map(key => key.split('/')[1])).toEqual(['acme', 'acme', 'globex'])
    expect(app.handled).toEqual(['acme', 'globex', 'acme'])
  })
})

describe('the engine itself', () => {
  const engine = tenantStorage(storageOver(new MemoryDriver()), { folder: 'files' })
  const fakeFile = (stream: PassThrough) =>
    ({ fieldname: 'a', originalname: 'a.txt', stream }) as unknown as Express.Multer.File

  it('answers with an error where no tenant() ran, and drains the stream', async () => {
    const stream = new PassThrough()
    stream.end(BIG)
    const error = await new Promise(resolve => engine._handleFile({} as Request, fakeFile(stream), resolve))
    expect(error).toMatchObject({ code: 'ERR_TENANT_REQUIRED' })
    await new Promise(resolve => stream.once('end', resolve))
  })

  it('has nothing to remove of a file that was not stored', async () => {
    const error = await new Promise(resolve =>
      engine._removeFile({} as Request, fakeFile(new PassThrough()), resolve),
    )
    expect(error).toBe(null)
  })

  it('refuses rules that are none when it is made', () => {
    const storage = storageOver(new MemoryDriver())
    expect(() => tenantStorage(storage, { folder: '../x' })).toThrow(/folder/)
    expect(() => tenantStorage(storage, { a: { folder: 'ok' }, b: { folder: '' } })).toThrow(/folder/)
    expect(() => tenantStorage(storage, { accept: ['image/*'] } as never)).toThrow(/folder/)
  })
})
