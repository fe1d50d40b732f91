import { Column, PrimaryGeneratedColumn } from 'typeorm'

/** Every row belongs to one tenant, and every query names it. */
export abstract class TenantRow {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', length: 64 })
  tenant!: string
}
