import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import multer from 'multer'
import {
  createStorage,
  getTenant,
  runAsSystem,
  runWithTenant,
  type Storage,
  type StoredFile,
} from '../../../src/core/index.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import {
  answerErrors,
  fromHeader,
  fromRequest,
  fromSubdomain,
  serveFiles,
  tenant,
} from '../../../src/express/index.js'
import { tenantStorage } from '../../../src/multer/index.js'
import { storeFile } from '../../../src/upload/index.js'

/** What somebody got wrong; each is a hole that exists in the world. The last two are only other ways. */
export type Hole =
  | 'find without tenant'
  | 'list without tenant'
  | 'list by the start of the name'
  | 'delete without tenant'
  | 'delete, and say it is not there'
  | 'telling error'
  | 'telling message'
  | 'header trusted'
  | 'capitals folded'
  | 'key from the query'
  | 'path from the query'
  | 'tenant from the form'
  | 'tenant from the query'
  | 'tenant in a global'
  | 'file from the body'
  | 'files served plainly'
  | 'query tidied up'
  | 'download redirects'
  | 'numbered errors'

interface Row {
  id: number
  tenant: string
  file: StoredFile
}

export interface OrderApp {
  app: Express
  storage: Storage
}

interface Ways {
  /** Where `serveFiles` stands: before or behind `tenant()`. */
  files?: 'before' | 'behind'
  /** How the tenant is found. */
  by?: 'header' | 'subdomain'
}

/** A small application as one should be, but for at most one hole. */
export async function orderApp(
  hole?: Hole,
  { files = 'before', by = 'header' }: Ways = {},
): Promise<OrderApp> {
  const driver = new MemoryDriver()
  const storage = createStorage({ secret: 'the secret of the order app', backends: { memory: driver } })
  await storage.ready()
  const app = express()
  if (hole === 'files served plainly') app.use('/files/memory', servePlainly(driver))
  if (hole === 'query tidied up') app.use('/files', tidyQuery)
  if (files === 'before') app.use('/files', serveFiles(storage))
  app.use(whoAsks(hole, by))
  if (files === 'behind') app.use('/files', serveFiles(storage))
  app.use(routes(hole, storage, driver), answerErrors())
  return { app, storage }
}

/** The header `x-user: member of <tenant>` stands for a session. */
function whoAsks(hole: Hole | undefined, by: Ways['by']): RequestHandler {
  const memberOf = (req: Request) => /^member of (.*)$/.exec(req.get('x-user') ?? '')?.[1]
  if (hole === 'header trusted') return tenant({ resolve: fromRequest(req => req.get('x-tenant')) })
  if (hole === 'capitals folded') {
    return tenant({
      resolve: fromRequest(req => req.get('x-tenant')?.toLowerCase()),
      verify: (req, id) => memberOf(req)?.toLowerCase() === id,
    })
  }
  const resolve = by === 'subdomain' ? fromSubdomain() : fromHeader('x-tenant')
  return tenant({ resolve, verify: (req, id) => memberOf(req) === id })
}

function routes(hole: Hole | undefined, storage: Storage, driver: MemoryDriver): RequestHandler {
  const rows = new Map<number, Row>()
  const router = express.Router()
  const find = (req: Request) => rows.get(Number(req.params.id))
  const mayHave = (row: Row | undefined): row is Row =>
    row !== undefined && (hole === 'find without tenant' || row.tenant === getTenant())
  const missing = (res: Response) => {
    const message = hole === 'numbered errors' ? `Error ${randomUUID()}` : 'No such order.'
    return res.status(404).json({ error: { code: 'NOT_FOUND', message } })
  }
  const refuse = (res: Response, row: Row | undefined) => {
    if (row !== undefined && hole === 'telling error')
      return res.status(403).json({ error: { code: 'FORBIDDEN' } })
    const message = `This order belongs to ${row?.tenant}.`
    if (row !== undefined && hole === 'telling message')
      return res.status(404).json({ error: { code: 'NOT_FOUND', message } })
    return missing(res)
  }
  const answer = (row: Row) => ({ id: row.id, owner: row.tenant, key: row.file.key, file: row.file })

  router.post('/orders', receive(hole, storage), (req, res) => {
    const row = { id: rows.size + 1, tenant: getTenant(), file: req.file!.stored }
    rows.set(row.id, row)
    res.status(201).json(answer(row))
  })
  router.get('/orders', (_req, res) => {
    const mine = (row: Row) => {
      if (hole === 'list without tenant') return true
      return hole === 'list by the start of the name'
        ? row.tenant.startsWith(getTenant())
        : row.tenant === getTenant()
    }
    res.json([...rows.values()].filter(mine).map(answer))
  })
  router.get('/orders/:id', (req, res) => {
    const row = find(req)
    if (mayHave(row)) res.json(answer(row))
    else refuse(res, row)
  })
  router.get('/orders/:id/download', async (req, res) => {
    const row = find(req)
    if (!mayHave(row)) return refuse(res, row)
    if (hole === 'download redirects') return res.redirect(row.file.url)
    return res.send(await row.file.bytes())
  })
  router.delete('/orders/:id', async (req, res) => {
    const row = find(req)
    const isOpen = hole?.startsWith('delete') && row !== undefined
    if (!isOpen && !mayHave(row)) return refuse(res, row)
    await runWithTenant(row.tenant, () => storage.disk('media').delete(row.file))
    rows.delete(row.id)
    return hole === 'delete, and say it is not there' ? missing(res) : res.sendStatus(204)
  })
  router.put('/orders/:id', express.json(), (req, res) => {
    const row = find(req)
    if (!mayHave(row)) return refuse(res, row)
    const forged = req.body?.file
    if (hole !== 'file from the body' || typeof forged !== 'object') return res.json(answer(row))
    return res.json({
      id: row.id,
      file: runAsSystem('a hole', () => storage.disk('media').signedUrl(forged)),
    })
  })
  router.get('/raw', async (req, res) => {
    const { key, owner = getTenant() } = req.query as Record<string, string>
    if (hole === 'key from the query') {
      const address = { disk: 'media', backend: 'memory', tenant: owner, key: key ?? '' }
      const { body } = await runAsSystem('a hole', () => storage.disk('media').get(address))
      return body.pipe(res)
    }
    if (hole === 'path from the query') {
      const { body } = await driver.get(posix.normalize(`media/${getTenant()}/${key}`))
      return body.pipe(res)
    }
    return (await storage.disk('media').get(key ?? '')).body.pipe(res)
  })
  return router
}

function receive(hole: Hole | undefined, storage: Storage): RequestHandler {
  const rules = { folder: 'orders', accept: ['application/pdf'] }
  if (!hole?.startsWith('tenant ')) return multer({ storage: tenantStorage(storage, rules) }).single('file')
  const inMemory = multer({ storage: multer.memoryStorage() }).single('file')
  let current = ''
  const asked = (req: Request): string => {
    if (hole === 'tenant in a global') return current
    const wish = hole === 'tenant from the form' ? req.body.tenant : req.query.tenant
    return wish ?? req.get('x-tenant')
  }
  const store: RequestHandler = async (req, _res, next) => {
    const { buffer, originalname: name } = req.file!
    req.file!.stored = await runWithTenant(asked(req), () => storeFile(storage, buffer, rules, { name }))
    next()
  }
  return (req, res, next) => {
    current = req.get('x-tenant') ?? ''
    inMemory(req, res, () => runWithTenant(req.get('x-tenant') ?? '', () => store(req, res, next)))
  }
}

/** As `express.static` on the folder of the uploads. */
function servePlainly(driver: MemoryDriver): RequestHandler {
  return async (req, res, next) => {
    try {
      ;(await driver.get(decodeURIComponent(req.path.slice(1)))).body.pipe(res)
    } catch {
      next()
    }
  }
}

/** As a proxy that sorts parameters and drops doubled ones. */
const tidyQuery: RequestHandler = (req, _res, next) => {
  const [path, query] = req.url.split('?')
  const given = new URLSearchParams(query)
  const kept = ['expires', 'type', 'disposition', 'signature'].flatMap(name => {
    const value = given.get(name)
    return value === null ? [] : [[name, value] as [string, string]]
  })
  req.url = query === undefined ? req.url : `${path}?${new URLSearchParams(kept)}`
  next()
}
