import { Column, DeleteDateColumn, Entity, ManyToOne, PrimaryColumn, type Relation } from 'typeorm'
import type { StoredFile } from '../../../src/core/stored-file.js'
import { FileColumn, FilesColumn } from '../../../src/typeorm/index.js'

/** Holds no file; the database deletes its letters with it. */
@Entity()
export class Customer {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @Column({ type: 'text', default: '' })
  name!: string
}

/** With a key of two columns, one of them text. */
@Entity()
export class Letter {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @PrimaryColumn({ type: 'varchar', length: 20 })
  language!: string

  @ManyToOne(() => Customer, { onDelete: 'CASCADE' })
  customer!: Relation<Customer>

  @Column({ type: 'text', default: '' })
  title!: string

  @FileColumn({ folder: 'letters' })
  scan!: StoredFile | null

  @FileColumn({ folder: 'letters' })
  envelope!: StoredFile | null
}

/** Goes with its letter, which goes with its customer. */
@Entity()
export class Stamp {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @ManyToOne(() => Letter, { onDelete: 'CASCADE' })
  letter!: Relation<Letter>

  @FileColumn({ folder: 'stamps' })
  picture!: StoredFile | null
}

/** A tree. */
@Entity()
export class Chapter {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @ManyToOne(() => Chapter, { onDelete: 'CASCADE' })
  parent!: Relation<Chapter> | null

  @FileColumn({ folder: 'chapters' })
  text!: StoredFile | null
}

/** Its files do not survive a soft removal, and stay for a while when they are replaced. */
@Entity()
export class Album {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @DeleteDateColumn()
  deletedAt!: Date | null

  @FilesColumn({ folder: 'photos', onSoftDelete: 'delete' })
  photos!: readonly StoredFile[] | null

  @FileColumn({ folder: 'covers', onRemove: 'keep', keepReplaced: 30 })
  cover!: StoredFile | null
}

@Entity()
export class Draft {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @DeleteDateColumn()
  deletedAt!: Date | null

  @FileColumn({ folder: 'drafts' })
  file!: StoredFile | null
}

export const FAMILY = [Customer, Letter, Stamp, Chapter, Draft]
