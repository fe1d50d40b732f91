import express, { type Request, type Router } from 'express'
import multer from 'multer'
import { getTenant, type Storage, type StoredFile } from 'tenant-files'
import { tenantStorage } from 'tenant-files/multer'
import { rulesOf } from 'tenant-files/typeorm'
import type { DataSource } from 'typeorm'
import type { TenantRow } from '../entities/tenant-row.js'
import { answerSaved } from './answer-saved.js'

/** A row with one file. */
interface FileRow extends TenantRow {
  file: StoredFile | null
}

/** Create, list, read, replace and remove rows that carry one file each; every query names the tenant. */
export function fileRoutes(storage: Storage, dataSource: DataSource, entity: new () => FileRow): Router {
  const rows = dataSource.getRepository(entity)
  const upload = multer({ storage: tenantStorage(storage, rulesOf(entity, 'file')) })
  const router = express.Router()
  const find = (req: Request) => rows.findOneByOrFail({ id: Number(req.params.id), tenant: getTenant() })

  router.get('/', async (_req, res) => {
    res.json(await rows.find({ where: { tenant: getTenant() }, order: { id: 'ASC' } }))
  })
  router.get('/:id', async (req, res) => {
    res.json(await find(req))
  })
  router.post('/', upload.single('file'), async (req, res) => {
    const row = rows.create({ tenant: getTenant(), file: req.file?.stored ?? null })
    answerSaved(req, res, await rows.save(row))
  })
  router.put('/:id', upload.single('file'), async (req, res) => {
    const row = await find(req)
    row.file = req.file?.stored ?? null
    res.json(await rows.save(row))
  })
  router.delete('/:id', async (req, res) => {
    await rows.remove(await find(req))
    res.sendStatus(204)
  })
  return router
}
