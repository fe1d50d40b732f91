import { fileColumn, filesColumn } from 'tenant-files/typeorm'
import { EntitySchema } from 'typeorm'

export const COVER = { folder: 'covers' }
export const SHEETS = { folder: 'sheets' }

const common = {
  id: { type: 'int', primary: true },
  title: { type: 'varchar', length: 40, nullable: true },
  deletedAt: { type: 'timestamp', name: 'deleted_at', deleteDate: true, nullable: true },
}

/** The rows of the fuzz: one file, and a list of files. */
export const pageSchema = new EntitySchema({
  name: 'Page',
  tableName: 'page',
  columns: {
    ...common,
    cover: fileColumn({ ...COVER, onSoftDelete: 'delete' }),
    sheets: filesColumn({ ...SHEETS, onSoftDelete: 'delete' }),
  },
})

/** The same table for the control run, in which the library has no part. */
export const naivePageSchema = new EntitySchema({
  name: 'Page',
  tableName: 'page',
  columns: {
    ...common,
    cover: { type: 'text', nullable: true },
    sheets: { type: 'text', nullable: true },
  },
})
