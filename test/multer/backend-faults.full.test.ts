import type { IncomingMessage } from 'node:http'
import { describe, expect, it, test, vi } from 'vitest'
import { answerError, type Fault, swallow } from '../support/faulty-proxy.js'
import { createBucket, describeWithS3, listAllKeys, listOpenUploads } from '../support/s3.js'
import { PDF, padded } from '../upload/sample-files.js'
import { eventsOf, failOnUnhandled } from '../upload/support.js'
import { behindProxy, ourApp } from './s3-uploads.js'
import { file, type Refusal } from './upload-app.js'

failOnUnhandled()

const MIB = 1024 ** 2

/** What goes wrong, and what the client is told. The driver has given up trying by then. */
const FAULTS: [string, Fault, string[]][] = [
  ['answers 500', (_req, res) => answerError(res, 500, 'InternalError'), ['502 ERR_BACKEND']],
  ['answers 503 SlowDown', (_req, res) => answerError(res, 503, 'SlowDown'), ['502 ERR_BACKEND']],
  ['answers 403', (_req, res) => answerError(res, 403, 'AccessDenied'), ['502 ERR_BACKEND_DENIED']],
  // the driver may have waited for what became of it
  ['resets', req => void req.socket.destroy(), ['502 ERR_BACKEND', '504 ERR_BACKEND_TIMEOUT']],
  // a large part has long to arrive: there the deadline of the upload comes first
  ['stalls', req => swallow(req), ['504 ERR_BACKEND_TIMEOUT', '408 ERR_UPLOAD_TIMEOUT']],
]

const STEPS: [string, number, (req: IncomingMessage) => boolean][] = [
  ['at a small file', 3_000, req => req.method === 'PUT'],
  [
    'at the start of a multipart upload',
    11 * MIB,
    req => req.method === 'POST' && /[?&]uploads/.test(req.url ?? ''),
  ],
  ...[1, 2, 3].map((number): [string, number, (req: IncomingMessage) => boolean] => [
    `at part ${number}`,
    11 * MIB,
    req => new RegExp(`[?&]partNumber=${number}\\b`).test(req.url ?? ''),
  ]),
  ['at the completion', 11 * MIB, req => req.method === 'POST' && /[?&]uploadId=/.test(req.url ?? '')],
]

describeWithS3('a backend that fails under an upload', () => {
  const start = async () => {
    const bucket = await createBucket('faults')
    const proxy = await behindProxy()
    const app = await ourApp({
      bucket,
      endpoint: proxy.endpoint,
      maxAttempts: 2,
      retryDelay: 10,
      requestTimeout: 400,
      uploads: { deadline: 5 },
    })
    const connections = () =>
      new Promise<number>((resolve, reject) =>
        app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      )
    return { ...app, proxy, bucket, connections }
  }

  describe.each(STEPS)('%s', (_step, size, isThere) => {
    test.each(FAULTS)('and %s is told to the client, and leaves nothing', async (_how, fault, told) => {
      const app = await start()
      app.proxy.fault = (req, res, pass) => (isThere(req) ? fault(req, res, pass) : pass())
      const parts = [file('a', 'a.pdf', padded(PDF, size))]
      const pace = {
        chunkSize: 512 * 1024,
        delay: 0,
        headers: { 'x-tenant': 'acme', connection: 'close' },
      }
      const response = await app.send(parts, pace)
      expect(told).toContain(`${response.status} ${response.json<Refusal>().error.code}`)
      expect(response.json<Refusal>().error.message).not.toMatch(/127\.0\.0\.1|media\//)
      await vi.waitFor(async () => expect(await listOpenUploads(app.bucket)).toEqual([]), 5_000)
      expect(await listAllKeys(app.bucket)).toEqual([])
      expect(app.handled).toEqual([])
      await vi.waitFor(async () => expect(await app.connections()).toBe(0), 5_000)
      // and all is well again when the backend is
      app.proxy.fault = undefined
      expect((await app.send(parts, pace)).status).toBe(200)
      expect(await listAllKeys(app.bucket)).toHaveLength(1)
    })
  })

  it('and does not let us abort an upload in parts leaves it to the ledger when the client leaves', async () => {
    const app = await start()
    const leftovers = eventsOf('leftover')
    app.proxy.fault = (req, res, pass) =>
      req.method === 'DELETE' ? answerError(res, 403, 'AccessDenied') : pass()
    const leaving = { chunkSize: 512 * 1024, delay: 0, abortAfter: 12 * MIB }
    await expect(app.send([file('a', 'a.pdf', padded(PDF, 14 * MIB))], leaving)).rejects.toMatchObject({
      code: 'ERR_UPLOAD_ABORTED',
    })
    await vi.waitFor(() => expect(app.ledger.lines).toEqual(['stage', 'multipart', 'leave']), 5_000)
    expect(leftovers.map(({ key }) => key)).toEqual((await listOpenUploads(app.bucket)).map(({ key }) => key))
    expect(leftovers).toHaveLength(1)
  })

  it('and does not let us delete is told beside the first cause; the file is left to the ledger', async () => {
    const app = await start()
    const leftovers = eventsOf('leftover')
    app.proxy.fault = (req, res, pass) =>
      req.method === 'DELETE' ? answerError(res, 403, 'AccessDenied') : pass()
    const response = await app.send([file('a', '1.pdf', PDF), file('a', '2.pdf', '')])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([400, 'ERR_FILE_EMPTY'])
    expect(app.errors).toMatchObject([{ storageErrors: [{ code: 'ERR_BACKEND_DENIED' }] }])
    expect(leftovers.map(({ key }) => key)).toEqual(await listAllKeys(app.bucket))
    expect(app.ledger.lines.slice(-1)).toEqual(['discard'])
  })
})
