import type { StoredFile } from 'tenant-files'
import { FileColumn } from 'tenant-files/typeorm'
import { Column, Entity, ManyToOne, OneToMany } from 'typeorm'
import { TenantRow } from './tenant-row.js'

const ATTACHMENT = { accept: ['application/pdf', 'image/*', 'text/plain'], maxSize: '10mb' } as const

/** A question to the support desk. */
@Entity()
export class Ticket extends TenantRow {
  @Column({ type: 'varchar' })
  subject!: string

  @OneToMany(
    () => TicketAttachment,
    attachment => attachment.ticket,
    { cascade: true },
  )
  attachments!: TicketAttachment[]

  @OneToMany(
    () => Message,
    message => message.ticket,
  )
  messages!: Message[]
}

@Entity()
export class TicketAttachment extends TenantRow {
  @ManyToOne(
    () => Ticket,
    ticket => ticket.attachments,
    { orphanedRowAction: 'delete' },
  )
  ticket!: Ticket

  @FileColumn({ folder: 'ticket_attachments', ...ATTACHMENT })
  file!: StoredFile | null
}

/** An answer to a ticket. */
@Entity()
export class Message extends TenantRow {
  @Column({ type: 'text' })
  text!: string

  @ManyToOne(
    () => Ticket,
    ticket => ticket.messages,
  )
  ticket!: Ticket

  @OneToMany(
    () => MessageAttachment,
    attachment => attachment.message,
    { cascade: true },
  )
  attachments!: MessageAttachment[]
}

@Entity()
export class MessageAttachment extends TenantRow {
  @ManyToOne(
    () => Message,
    message => message.attachments,
    { orphanedRowAction: 'delete' },
  )
  message!: Message

  @FileColumn({ folder: 'message_attachments', ...ATTACHMENT })
  file!: StoredFile | null
}
