import express, { type Router } from 'express'
import multer from 'multer'
import { getTenant, type Storage } from 'tenant-files'
import { tenantStorage } from 'tenant-files/multer'
import { rulesOf } from 'tenant-files/typeorm'
import type { DataSource } from 'typeorm'
import { Message, MessageAttachment, Ticket, TicketAttachment } from '../entities/ticket.js'
import { answerSaved } from './answer-saved.js'

/** Tickets and their answers, each with any number of attachments, saved together or not at all. */
export function ticketRoutes(storage: Storage, dataSource: DataSource): Router {
  const tickets = dataSource.getRepository(Ticket)
  const messages = dataSource.getRepository(Message)
  const ticketFiles = multer({
    storage: tenantStorage(storage, { files: rulesOf(TicketAttachment, 'file') }),
  })
  const messageFiles = multer({
    storage: tenantStorage(storage, { files: rulesOf(MessageAttachment, 'file') }),
  })
  const router = express.Router()

  router.get('/', async (_req, res) => {
    const relations = { attachments: true, messages: { attachments: true } }
    res.json(
      await tickets.find({
        where: { tenant: getTenant() },
        relations,
        order: { id: 'ASC', attachments: { id: 'ASC' } },
      }),
    )
  })
  router.post('/', ticketFiles.array('files', 10), async (req, res) => {
    const tenant = getTenant()
    const attachments = uploaded(req.files).map(({ stored }) => ({ tenant, file: stored }))
    answerSaved(
      req,
      res,
      await tickets.save(tickets.create({ tenant, subject: req.body.subject, attachments })),
    )
  })
  router.post('/:id/messages', messageFiles.array('files', 10), async (req, res) => {
    const tenant = getTenant()
    const ticket = await tickets.findOneByOrFail({ id: Number(req.params.id), tenant })
    const attachments = uploaded(req.files).map(({ stored }) => ({ tenant, file: stored }))
    answerSaved(
      req,
      res,
      await messages.save(messages.create({ tenant, ticket, text: req.body.text, attachments })),
    )
  })
  return router
}

function uploaded(files: Express.Request['files']): Express.Multer.File[] {
  return Array.isArray(files) ? files : []
}
