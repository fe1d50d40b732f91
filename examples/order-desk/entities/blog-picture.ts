import type { StoredFile } from 'tenant-files'
import { PublicFileColumn } from 'tenant-files/typeorm'
import { Entity } from 'typeorm'
import { TenantRow } from './tenant-row.js'

/** A picture of the public blog: its address is permanent and needs no signature. */
@Entity()
export class BlogPicture extends TenantRow {
  @PublicFileColumn({ folder: 'blog_media', accept: ['image/*'], maxSize: '5mb' })
  file!: StoredFile | null
}
