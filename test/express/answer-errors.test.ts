import express, { type ErrorRequestHandler } from 'express'
import multer from 'multer'
import request from 'supertest'
import { describe, expect, it, test } from 'vitest'
import { StorageError } from '../../src/core/index.js'
import { answerErrors } from '../../src/express/index.js'

async function answerTo(error: unknown, before?: (res: express.Response) => void) {
  const passed: unknown[] = []
  const app = express()
  app.get('/', (_req, res, next) => {
    before?.(res)
    next(error)
  })
  app.use(answerErrors())
  const last: ErrorRequestHandler = (each, _req, res, _next) => {
    passed.push(each)
    if (res.headersSent) res.end()
    else res.status(500).json('passed on')
  }
  app.use(last)
  const { status, body, headers } = await request(app).get('/')
  return { status, body, headers, passed }
}

describe('answerErrors', () => {
  test.each([
    ['ERR_TENANT_REQUIRED', 400],
    ['ERR_TENANT_FORBIDDEN', 403],
    ['ERR_FILE_TOO_LARGE', 413],
    ['ERR_FILE_TYPE', 415],
    ['ERR_UPLOAD_TIMEOUT', 408],
    ['ERR_RANGE', 416],
    ['ERR_LEASE_LOST', 409],
  ] as const)('answers %s with %i, its code and its message', async (code, status) => {
    const answer = await answerTo(new StorageError(code, 'what to do'))
    expect(answer).toMatchObject({ status, body: { error: { code, message: 'what to do' } }, passed: [] })
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  test.each([
    ['ERR_BACKEND', 502],
    ['ERR_BACKEND_TIMEOUT', 504],
    ['ERR_LEDGER_NOT_READY', 503],
    ['ERR_CONFIG', 500],
    ['ERR_DISK_FULL', 507],
  ] as const)('answers %s with %i and keeps its message to itself', async (code, status) => {
    const error = new StorageError(code, 'host db-7.internal', { key: 'media/acme/x', backend: 'spaces' })
    const { body, status: got } = await answerTo(error)
    expect([got, body.error.code]).toEqual([status, code])
    expect(JSON.stringify(body)).not.toMatch(/internal|media|spaces/)
  })

  it('answers what is not yours exactly as what is not there', async () => {
    const [mine, missing] = [
      await answerTo(new StorageError('ERR_TENANT_MISMATCH', 'one')),
      await answerTo(new StorageError('ERR_FILE_NOT_FOUND', 'another', { key: 'media/acme/x' })),
    ]
    expect(mine.status).toBe(404)
    expect(mine.body).toEqual(missing.body)
  })

  it('answers an error of a second copy of this package', async () => {
    const error = Object.assign(new Error('from the other copy'), {
      code: 'ERR_FILE_TYPE',
      status: 415,
      expose: true,
      [Symbol.for('tenant-files.StorageError')]: true,
    })
    expect(await answerTo(error)).toMatchObject({ status: 415, body: { error: { code: 'ERR_FILE_TYPE' } } })
  })

  test.each([
    ['LIMIT_FILE_SIZE', 413],
    ['LIMIT_FIELD_VALUE', 413],
    ['LIMIT_UNEXPECTED_FILE', 400],
    ['LIMIT_FILE_COUNT', 400],
    ['LIMIT_PART_COUNT', 400],
    ['MISSING_FIELD_NAME', 400],
  ] as const)("answers Multer's own %s with %i", async (code, status) => {
    const error = new multer.MulterError(code, 'avatar')
    expect(await answerTo(error)).toMatchObject({ status, body: { error: { code, message: error.message } } })
  })

  test.each([
    ['an Error', new Error('a bug')],
    ['an error with a status', Object.assign(new Error('x'), { status: 418, code: 'TEAPOT' })],
    ['an error that only looks like one', { code: 'ERR_FILE_TYPE', status: 415, message: 'x' }],
    ['a text', 'oops'],
  ])('passes on %s', async (_what, error) => {
    expect(await answerTo(error)).toMatchObject({ body: 'passed on', passed: [error] })
  })

  it('passes on what comes after the answer has begun', async () => {
    const error = new StorageError('ERR_BACKEND', 'late')
    const { passed, status } = await answerTo(error, res => res.status(200).write('x'))
    expect([passed, status]).toEqual([[error], 200])
  })
})

describe('a form that Multer cannot read', () => {
  const part = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
  test.each([
    ['without its final boundary', 'multipart/form-data; boundary=x', `--x\r\n${part}\r\n\r\nabc`],
    ['without an end of its part header', 'multipart/form-data; boundary=x', `--x\r\n${part}\r\n--x--\r\n`],
    ['without a boundary', 'multipart/form-data', 'abc'],
    ['of no bytes', 'multipart/form-data; boundary=x', ''],
  ])('%s is answered with 400', async (_what, type, body) => {
    const app = express()
    app.post('/', multer().single('file'), (_req, res) => void res.json('read'))
    app.use(answerErrors())
    const answer = await request(app).post('/').set('Content-Type', type).send(Buffer.from(body))
    expect(answer.status).toBe(400)
    expect(answer.body.error.code).toBe('MALFORMED_FORM')
  })
})
