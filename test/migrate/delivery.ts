import { createHash } from 'node:crypto'
import { Column, Entity, UpdateDateColumn, VersionColumn } from 'typeorm'
import { TenantRow } from '../../examples/order-desk/entities/tenant-row.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FileColumn } from '../../src/typeorm/index.js'

/** A row as the routes of the order desk serve it. */
@Entity()
export class Delivery extends TenantRow {
  @Column({ type: 'varchar', default: '' })
  note!: string

  @VersionColumn()
  version!: number

  @UpdateDateColumn()
  changed!: Date

  @FileColumn({ folder: 'deliveries' })
  file!: StoredFile | null
}

const KIB = 1024
const LARGE = 2 * KIB * KIB
/** Of a hundred files so many are large, and streamed when they move. */
const LARGE_ONES = 0.1

/** A name that no other file has. It says whose the file is and, through {@link contentOf}, what lies in it. */
export function nameOf(tenant: string, number: number | string): string {
  const size = typeof number === 'number' && number % (100 / LARGE_ONES) === 50 ? 'large' : 'small'
  return `${size} ${tenant} ${number}.txt`
}

/** The bytes of the file with a name: 1 to 30 KiB, or 2 MiB, unlike any other's. */
export function contentOf(name: string): Buffer {
  const digest = createHash('sha256').update(name).digest('hex')
  const fraction = Number.parseInt(digest.slice(0, 8), 16) / 2 ** 32
  return Buffer.alloc(name.startsWith('large') ? LARGE : Math.floor(KIB * 30 ** fraction), digest)
}
