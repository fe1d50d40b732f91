import type { AgentOptions } from 'node:http'
import { Agent } from 'node:http'
import express, { type RequestHandler } from 'express'
import multer, { type Multer, type Options } from 'multer'
import { onTestFinished } from 'vitest'
import { type FileRules, tryGetTenant } from '../../src/core/index.js'
import { answerErrors, fromHeader, tenant } from '../../src/express/index.js'
import { type FieldRules, tenantStorage } from '../../src/multer/index.js'
import { type SlowPart, type SlowRequest, type SlowResponse, sendSlowly } from '../../src/testing/index.js'
import { listen } from '../integration/http.js'
import { keysOf, RecordingLedger, storageOver, WatchedDriver } from '../upload/support.js'

export interface UploadAppOptions {
  rules?: FileRules | FieldRules
  multer?: Omit<Options, 'storage'>
  /** Default: `upload.any()`. */
  route?: (upload: Multer) => RequestHandler
  uploads?: { idleTimeout?: number; deadline?: number }
}

/** What the route after Multer saw. */
export interface Answer {
  tenant: string
  file?: Express.Multer.File
  files?: Express.Multer.File[]
  body: Record<string, string>
}

/** A real application with one route that takes uploads. */
export async function uploadApp(options: UploadAppOptions = {}) {
  const { rules = { folder: 'files' }, route = (upload: Multer) => upload.any() } = options
  const driver = new WatchedDriver()
  const storage = storageOver(driver, { uploads: options.uploads })
  const ledger = new RecordingLedger().openFor(storage)
  const errors: unknown[] = []
  const handled: string[] = []
  const app = express()
  app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
  const upload = multer({ ...options.multer, storage: tenantStorage(storage, rules) })
  app.post('/', route(upload), (req, res) => {
    handled.push(tryGetTenant() ?? 'nobody')
    res.json({ tenant: tryGetTenant(), file: req.file, files: req.files, body: req.body })
  })
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  app.use(answerErrors())
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(500).json({ error: { code: 'OTHER' } })
  })
  const { url, server } = await listen(app)
  const send = (parts: SlowPart[], more: Partial<SlowRequest> = {}): Promise<SlowResponse> =>
    sendSlowly({ url, parts, headers: { 'x-tenant': 'acme' }, chunkSize: 16_384, delay: 1, ...more })
  return { driver, storage, ledger, errors, handled, url, server, send, keys: () => keysOf(driver) }
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
