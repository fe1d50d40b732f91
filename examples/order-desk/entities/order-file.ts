import type { StoredFile } from 'tenant-files'
import { FileColumn } from 'tenant-files/typeorm'
import { Entity } from 'typeorm'
import { TenantRow } from './tenant-row.js'

/** What a customer sends along with an order. */
@Entity()
export class OrderFile extends TenantRow {
  @FileColumn({ folder: 'order_files', accept: ['application/pdf', 'image/*'], maxSize: '20mb' })
  file!: StoredFile | null
}
