import type { AgentOptions, ServerOptions } from 'node:http'
import { Agent } from 'node:http'
import express, { type RequestHandler } from 'express'
import multer, { type Multer, type Options } from 'multer'
import { onTestFinished } from 'vitest'
import { type FileRules, type Storage, tryGetTenant } from '../../src/core/index.js'
import { answerErrors, fromHeader, tenant } from '../../src/express/index.js'
import { type FieldRules, type TenantStorageOptions, tenantStorage } from '../../src/multer/index.js'
import { type SlowPart, type SlowRequest, type SlowResponse, sendSlowly } from '../../src/testing/index.js'
import { listen } from '../integration/http.js'
import { keysOf, RecordingLedger, storageOver, WatchedDriver } from '../upload/support.js'

export interface ServeOptions {
  rules?: FileRules | FieldRules
  engine?: TenantStorageOptions
  multer?: Omit<Options, 'storage'>
  /** Default: `upload.any()`. */
  route?: (upload: Multer) => RequestHandler
  /** What follows on Multer. Default: answers with what it saw. */
  handler?: RequestHandler
  /** Who answers errors. Default: `answerErrors()`. */
  answering?: 'answerErrors' | 'express'
  /** Default: Express 5. */
  framework?: typeof express
  /** Of node's server, for example its time-outs. */
  server?: ServerOptions
}

export interface UploadAppOptions extends ServeOptions {
  uploads?: { idleTimeout?: number; deadline?: number }
  ledger?: 'recording' | 'none'
}

/** What the route after Multer saw. */
export interface Answer {
  tenant: string
  file?: Express.Multer.File
  files?: Express.Multer.File[]
  body: Record<string, string>
}

/** What a client is told of a failure. */
export interface Refusal {
  error: { code: string; message: string }
}

/** A real application with one route that takes uploads, over any storage. */
export async function serveUploads(storage: Storage, options: ServeOptions = {}) {
  const {
    rules = { folder: 'files' },
    route = (upload: Multer) => upload.any(),
    framework = express,
  } = options
  const errors: unknown[] = []
  const handled: string[] = []
  const app = framework()
  // Express' own error handler prints each error, unless this is a test
  app.set('env', 'test')
  app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
  const upload = multer({ ...options.multer, storage: tenantStorage(storage, rules, options.engine) })
  const echo: RequestHandler = (req, res) => {
    handled.push(tryGetTenant() ?? 'nobody')
    res.json({ tenant: tryGetTenant(), file: req.file, files: req.files, body: req.body })
  }
  app.post('/', route(upload), options.handler ?? echo)
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  if (options.answering !== 'express') {
    app.use(answerErrors())
    app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
      res.status(500).json({ error: { code: 'OTHER' } })
    })
  }
  const { url, server } = await listen(app, options.server)
  const send = (parts: SlowPart[], more: Partial<SlowRequest> = {}): Promise<SlowResponse> =>
    sendSlowly({ url, parts, headers: { 'x-tenant': 'acme' }, chunkSize: 16_384, delay: 1, ...more })
  return { errors, handled, url, server, send }
}

/** The same over a driver and a ledger that tell what they were asked. */
export async function uploadApp(options: UploadAppOptions = {}) {
  const driver = new WatchedDriver()
  const storage = storageOver(driver, { uploads: options.uploads })
  const ledger = new RecordingLedger()
  if (options.ledger !== 'none') ledger.openFor(storage)
  const app = await serveUploads(storage, options)
  return { ...app, driver, storage, ledger, keys: () => keysOf(driver) }
}

/** A form's file. */
export function file(name: string, filename: string, body: Buffer | string, contentType?: string): SlowPart {
  return { name, filename, body, ...(contentType === undefined ? {} : { contentType }) }
}

/** Connections that stay open until the end of the test. */
export function keepAlive(options: AgentOptions = {}): Agent {
  const agent = new Agent({ keepAlive: true, ...options })
  onTestFinished(() => agent.destroy())
  return agent
}
