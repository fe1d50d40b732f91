import type { StoredFile } from 'tenant-files'
import { FileColumn } from 'tenant-files/typeorm'
import { Column, Entity } from 'typeorm'
import { TenantRow } from './tenant-row.js'

/** The material of a class, packed. */
@Entity()
export class ClassBundle extends TenantRow {
  @Column({ type: 'varchar', default: '' })
  title!: string

  @FileColumn({ folder: 'class_bundles', accept: ['application/zip', 'application/pdf'], maxSize: '200mb' })
  file!: StoredFile | null
}
