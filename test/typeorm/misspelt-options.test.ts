import { DataSource } from 'typeorm'
import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/core/storage.js'
import {
  type FileColumnOptions,
  type FileEntity,
  fileColumn,
  filesColumn,
  filesOf,
  reapOnce,
  reconcile,
  rulesOf,
  startReaper,
  withFiles,
} from '../../src/typeorm/index.js'
import { codeOf, thrownCode } from '../core/errors-of.js'
import { embeddedOptions } from '../support/sqlite.js'
import { house, memoryStorage } from './databases.js'
import { Order } from './entities.js'

const fresh = async () => embeddedOptions()

describe('a misspelt option is refused, so that nobody believes in it', () => {
  it('of withFiles: a quota that is none', () => {
    const options = { quotas: '1gb' }
    const bind = () => withFiles(memoryStorage(), new DataSource(embeddedOptions()), options as object)
    expect(bind).toThrow('There is no option "quotas" of withFiles(). Options: ledger, table, lease, quota')
    expect(thrownCode(bind)).toBe('ERR_CONFIG')
  })

  it('of the ledger table', () => {
    const table = { nam: 'my_ledger' }
    const bind = () =>
      withFiles(memoryStorage(), new DataSource(embeddedOptions()), { table: table as object })
    expect(bind).toThrow('There is no option "nam" of table')
  })

  it('of reconcile: one tenant meant, all tenants mended', async () => {
    const { dataSource } = await house(fresh, [Order])
    const options = { dataSource, tenat: 'acme', fix: 'all' } as const
    await expect(reconcile(options)).rejects.toThrow('There is no option "tenat" of reconcile()')
    expect(await codeOf(() => reconcile(options))).toBe('ERR_CONFIG')
  })
})

describe('a misspelt option of a column is answered with those of a column', () => {
  it('of one file', () => {
    const column = () => fileColumn({ folder: 'orders', onremove: 'keep' } as FileColumnOptions)
    expect(column).toThrow(
      /no option "onremove" of a file column\. Options: disk, .*maxSize, .*onRemove, .*legacy\./,
    )
    expect(thrownCode(() => fileColumn({ folder: 'orders', maxFiles: 3 } as FileColumnOptions))).toBe(
      'ERR_CONFIG',
    )
  })

  it('of several files', () => {
    const column = () => filesColumn({ folder: 'orders', maxfiles: 3 } as FileColumnOptions)
    expect(column).toThrow(/no option "maxfiles" of a column of files\. Options: .*, maxFiles\./)
  })

  it('without any options', () => {
    const column = () => fileColumn(undefined as unknown as FileColumnOptions)
    expect(column).toThrow('Give the options of a file column as an object.')
  })
})

describe('the wrong thing in the right place is named', () => {
  const dataSource = new DataSource(embeddedOptions())

  it('a DataSource where the reaper wants the storage, so that it does not run for nothing', async () => {
    const words = 'The reaper takes the storage, as in startReaper(storage).'
    expect(() => startReaper(dataSource as unknown as Storage)).toThrow(words)
    await expect(reapOnce(dataSource as unknown as Storage)).rejects.toThrow(words)
    expect(await codeOf(() => reapOnce(dataSource as unknown as Storage))).toBe('ERR_CONFIG')
  })

  it('a DataSource in the place of the storage', async () => {
    const storage = memoryStorage()
    const swapped = () => withFiles(dataSource as unknown as Storage, storage as unknown as DataSource)
    expect(swapped).toThrow('The storage comes first: withFiles(storage, dataSource).')
    const files = () => filesOf(storage as unknown as DataSource).delete(Order, 1)
    expect(await codeOf(files)).toBe('ERR_CONFIG')
  })

  it('the name of an entity where rulesOf wants its class', () => {
    const entity = 'Order' as unknown as FileEntity<Order>
    expect(() => rulesOf(entity, 'file')).toThrow('rulesOf() takes an entity class or an EntitySchema')
    expect(thrownCode(() => rulesOf(entity, 'file'))).toBe('ERR_CONFIG')
  })
})
