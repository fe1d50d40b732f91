import { afterEach, beforeEach, expect, test } from 'vitest'
import { waysOf } from '../support/suites.js'
import { type Workshop, workshop } from './command-line.js'

// As `npx tsc --init` and TypeORM's pages have it.
const TSCONFIG = JSON.stringify({
  compilerOptions: {
    ...{ target: 'ES2022', module: 'nodenext', strict: true },
    ...{ experimentalDecorators: true, emitDecoratorMetadata: true },
  },
})

const ENTITY = (column: string) => `
import 'reflect-metadata'
import type { StoredFile } from 'tenant-files'
import { FileColumn } from 'tenant-files/typeorm'
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'

@Entity()
export class Order {
  @PrimaryGeneratedColumn()
  id!: number

  ${column}
  title!: string

  @FileColumn({ folder: 'order_files' })
  file!: StoredFile | null
}`

const DATA_SOURCE = `
import libsql from 'libsql'
import { createStorage } from 'tenant-files'
import { LocalDriver } from 'tenant-files/drivers/local'
import { withFiles } from 'tenant-files/typeorm'
import { DataSource } from 'typeorm'
import { Order } from './order.js'

const storage = createStorage({
  secret: 'a secret of the command line tests',
  backends: { local: new LocalDriver({ root: 'files' }) },
})
export const orders = withFiles(
  storage,
  new DataSource({ type: 'better-sqlite3', driver: libsql, database: 'a.sqlite', entities: [Order], synchronize: true }),
)`

let shop: Workshop
beforeEach(() => {
  shop = workshop()
  shop.write('tsconfig.json', TSCONFIG)
  shop.write('order.ts', ENTITY(`@Column('text')`))
  shop.write('data-source.ts', DATA_SOURCE)
})
afterEach(() => shop.remove())

test.each(waysOf(['module'], ['commonjs']))(
  'works on TypeScript sources of the type %s under tsx',
  async type => {
    shop.write('package.json', JSON.stringify({ type }))
    const runByTsx = (...args: string[]) => shop.runBy(['--import', 'tsx'], ...args, '-d', 'data-source.ts')
    const [url, usage] = await Promise.all([
      // The tenant is known within one copy of the library only, and so is the binding of a DataSource.
      runByTsx('url', 'a/b.pdf', '--tenant', 'acme'),
      runByTsx('usage', 'acme'),
    ])
    expect(url).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('/files/local/media/acme/a/b.pdf?'),
    })
    expect(usage).toMatchObject({ code: 0, stdout: expect.stringContaining('acme        0     0') })
  },
)

test('says what tsx cannot do', async () => {
  shop.write('order.ts', ENTITY('@Column()'))
  const { code, stderr } = await shop.runBy(['--import', 'tsx'], 'reap', '-d', 'data-source.ts')
  expect(code).toBe(2)
  expect(stderr).toContain('Name the type of each @Column')
})

test('says how to run TypeScript sources', async () => {
  const { code, stderr } = await shop.start('reap', '-d', 'data-source.ts')
  expect(code).toBe(2)
  expect(stderr).toContain('node --import tsx ')
})
