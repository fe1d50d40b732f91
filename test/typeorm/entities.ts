import 'reflect-metadata'
import {
  ChildEntity,
  Column,
  Entity,
  EntitySchema,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FileColumn, fileColumn, PublicFileColumn } from '../../src/typeorm/index.js'

export const ORDER_RULES = { disk: 'media', folder: 'order_files' }

@Entity()
export class Order {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'text', nullable: true })
  title!: string | null

  @FileColumn(ORDER_RULES)
  file!: StoredFile | null
}

/** With a key of our own, so that inserts can collide. */
@Entity()
export class Contract {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @FileColumn({ folder: 'contracts' })
  draft!: StoredFile | null

  @FileColumn({ folder: 'contracts' })
  signed!: StoredFile | null

  @PublicFileColumn({ folder: 'avatars' })
  avatar!: StoredFile | null
}

export class Scan {
  @FileColumn({ folder: 'scans' })
  scan!: StoredFile | null
}

export abstract class Filed {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'inherited' })
  attachment!: StoredFile | null
}

@Entity()
export class Folder extends Filed {
  @Column(() => Scan)
  meta!: Scan
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
export class Media {
  @PrimaryGeneratedColumn()
  id!: number
}

@ChildEntity()
export class Picture extends Media {
  @FileColumn({ folder: 'pictures' })
  picture!: StoredFile | null
}

@ChildEntity()
export class Video extends Media {
  @FileColumn({ folder: 'videos' })
  video!: StoredFile | null
}

export interface Ticket {
  id: number
  attachment: StoredFile | null
}

export const TicketSchema = new EntitySchema<Ticket>({
  name: 'Ticket',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    attachment: fileColumn({ folder: 'tickets' }),
  },
})
