import express, { type ErrorRequestHandler, type Express } from 'express'
import type { Storage } from 'tenant-files'
import { answerErrors, fromRequest, serveFiles, tenant } from 'tenant-files/express'
import { staticUrls } from 'tenant-files/upload'
import { type DataSource, EntityNotFoundError } from 'typeorm'
import { BlogPicture } from './entities/blog-picture.js'
import { ClassBundle } from './entities/class-bundle.js'
import { OrderFile } from './entities/order-file.js'
import { deskPage, signInPage } from './page.js'
import { fileRoutes } from './routes/file-routes.js'
import { ticketRoutes } from './routes/ticket-routes.js'
import { mayActFor } from './users.js'

/** The Express application: `/files` for everyone with a valid address, `/<tenant>/…` for its own people. */
export function createApp(storage: Storage, dataSource: DataSource): Express {
  const app = express()
  app.disable('x-powered-by')

  app.use('/files', serveFiles(storage)) // before tenant(): the verified address names the tenant

  const stylesheet = staticUrls(storage)('desk.css')
  app.get('/', signInPage(stylesheet))
  const desk = express.Router({ mergeParams: true })
  desk.use('/order-files', fileRoutes(storage, dataSource, OrderFile))
  desk.use('/class-bundles', fileRoutes(storage, dataSource, ClassBundle))
  desk.use('/blog-pictures', fileRoutes(storage, dataSource, BlogPicture))
  desk.use('/tickets', ticketRoutes(storage, dataSource))
  desk.get('/', deskPage(dataSource, stylesheet))
  app.use(
    '/:tenant',
    tenant({ resolve: fromRequest(req => String(req.params.tenant)), verify: mayActFor }),
    desk,
  )

  app.use(answerErrors(), answerMissingRows)
  return app
}

const answerMissingRows: ErrorRequestHandler = (error, _req, res, next) => {
  if (error instanceof EntityNotFoundError) res.status(404).json({ error: { code: 'NOT_FOUND' } })
  else next(error)
}
