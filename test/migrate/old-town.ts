import {
  Column,
  type DataSource,
  Entity,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { FileColumn } from '../../src/typeorm/index.js'
import { type FreshOptions, house, memoryStorage } from '../typeorm/databases.js'

/** As an application made it that knew plain paths only: `uploads/acme/2019/report.pdf`. */
@Entity('paper')
export class Paper {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', default: 'acme' })
  owner!: string

  @VersionColumn()
  version!: number

  @UpdateDateColumn()
  changed!: Date

  @FileColumn({
    folder: 'papers',
    empty: 'refuse',
    legacy: value => {
      const [, tenant = '', ...path] = value.split('/')
      return { tenant, key: path.join('/'), name: path.at(-1) ?? 'file', backend: 'old' }
    },
  })
  file!: StoredFile | null
}

/** A table of papers with these texts, whose files a test puts on the backend called `old`. */
export async function oldTown(
  fresh: FreshOptions,
  texts: readonly string[],
  backends: { old: MemoryDriver; new: MemoryDriver } = { old: new MemoryDriver(), new: new MemoryDriver() },
) {
  const home = await house(fresh, [Paper], {
    storage: memoryStorage({ new: backends.new, old: backends.old }),
  })
  await insertOld(home.dataSource, texts)
  return { ...home, backends, papers: home.dataSource.getRepository(Paper) }
}

/** As another program does, of another language for example. */
export async function insertOld(
  dataSource: DataSource,
  texts: readonly string[],
  owner = 'acme',
): Promise<void> {
  const slash = dataSource.options.type === 'mariadb' ? '\\\\' : '\\'
  for (const text of texts) {
    const literal = `'${text.replaceAll("'", "''").replaceAll('\\', slash)}'`
    await dataSource.query(
      `INSERT INTO paper (owner, version, changed, file) VALUES ('${owner}', 1, '2020-01-01 00:00:00', ${literal})`,
    )
  }
}

/** Puts bytes where an old path of {@link Paper} says. */
export async function putOld({ old }: { old: MemoryDriver }, path: string, body: string): Promise<void> {
  const key = path.replace('uploads/', 'media/')
  await old.put(key, Buffer.from(body), { contentType: 'application/octet-stream' })
}
