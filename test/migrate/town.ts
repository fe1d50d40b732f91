import {
  Column,
  type DataSource,
  Entity,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm'
import type { Driver } from '../../src/core/driver.js'
import type { Storage } from '../../src/core/storage.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { FileColumn, rulesOf } from '../../src/typeorm/index.js'
import { type FreshOptions, house, ledgerOf, memoryStorage, upload } from '../typeorm/databases.js'

@Entity()
export class Parcel {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', default: '' })
  owner!: string

  @VersionColumn()
  version!: number

  @UpdateDateColumn()
  changed!: Date

  @FileColumn({ folder: 'parcels' })
  file!: StoredFile | null
}

/** Answers no download until it is let go. */
export class HeldDriver extends MemoryDriver {
  letGo: () => void = () => {}
  readonly asked: Promise<void>
  #tell: () => void = () => {}
  readonly #gate = new Promise<void>(resolve => {
    this.letGo = resolve
  })

  constructor() {
    super()
    this.asked = new Promise(resolve => {
      this.#tell = resolve
    })
  }

  override async get(...call: Parameters<MemoryDriver['get']>) {
    this.#tell()
    await this.#gate
    return super.get(...call)
  }
}

/** Two backends and a table of parcels, which lie on the one called `old`. */
export async function town(
  fresh: FreshOptions,
  count: number,
  backends: { old: Driver; new: Driver } = { old: new MemoryDriver(), new: new MemoryDriver() },
) {
  const storage = memoryStorage(backends)
  const { dataSource } = await house(fresh, [Parcel], { storage })
  await fill(storage, dataSource, count)
  return { backends, storage, dataSource, parcels: dataSource.getRepository(Parcel) }
}

export async function fill(storage: Storage, dataSource: DataSource, count: number): Promise<void> {
  const parcels = dataSource.getRepository(Parcel)
  for (let n = 0; n < count; n++) {
    const owner = n % 2 === 0 ? 'acme' : 'globex'
    const file = await upload({ storage }, rulesOf(Parcel, 'file'), { tenant: owner, body: `parcel ${n}` })
    await parcels.save(parcels.create({ file, owner }))
  }
}

export async function readText(file: StoredFile | null | undefined): Promise<string> {
  return runWithTenant(file?.tenant ?? '', async () => String(await file?.bytes()))
}

/** How many lines of the ledger each backend has in each state, such as `new attached`. */
export async function linesOf(dataSource: DataSource): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { backend, state } of await ledgerOf(dataSource)) {
    const name = `${backend} ${state}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** The texts of a table's file column, in the order of the rows. */
export async function textsOf(dataSource: DataSource, table = 'parcel', column = 'file'): Promise<string[]> {
  const rows = await dataSource.query(`SELECT ${column} AS text FROM ${table} ORDER BY id`)
  return rows.map(({ text }: { text: string }) => text)
}

/** The journal's lines as `[state, error]`. */
export async function journalOf(dataSource: DataSource): Promise<[string, string | null][]> {
  const rows = await dataSource.query('SELECT state, error FROM file_migration ORDER BY row_id')
  return rows.map((row: { state: unknown; error: string | null }) => [String(row.state), row.error])
}

/** As if everything in the journal had happened so many days earlier. */
export async function timePasses(dataSource: DataSource, days: number): Promise<void> {
  await dataSource.query(`UPDATE file_migration SET updated_at = updated_at - ${days * 86_400_000}`)
}
