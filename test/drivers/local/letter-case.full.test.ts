import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LocalDriver } from '../../../src/drivers/local/index.js'
import { findFoldingDisk } from '../../support/folding-disk.js'
import { codeOf, keysOf, newDriver, TEXT } from './helpers.js'

const disk = findFoldingDisk()
afterAll(() => disk?.unmountAll())

const OTHER = 'media/ACME/secret.txt'

const EVERY_METHOD: [string, (driver: LocalDriver) => unknown][] = [
  ['put', driver => driver.put('media/ACME/new.txt', Buffer.from('evil'), TEXT)],
  ['put over it', driver => driver.put(OTHER, Buffer.from('evil'), TEXT)],
  ['get', async driver => (await driver.get(OTHER)).body.destroy()],
  ['head', driver => driver.head(OTHER)],
  ['delete', driver => driver.delete(OTHER)],
  ['copy from', driver => driver.copy(OTHER, 'media/mine/stolen.txt')],
  ['copy to', driver => driver.copy('media/mine/mine.txt', OTHER)],
  ['list', driver => keysOf(driver, 'media/ACME/')],
]

describe.runIf(disk)('on a file system that folds case, a tenant whose id differs in case only', () => {
  it.each(EVERY_METHOD)('cannot %s', async (_, attempt) => {
    const { driver, root } = await newDriver(disk?.mount())
    await driver.put('media/acme/secret.txt', Buffer.from('secret'), TEXT)
    await driver.put('media/mine/mine.txt', Buffer.from('mine'), TEXT)
    expect(existsSync(path.join(root, OTHER))).toBe(true) // the file system itself would give it away
    const error = await Promise.resolve(attempt(driver)).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_KEY_INVALID', message: expect.stringContaining('lower case') })
    expect(await keysOf(driver)).toEqual(['media/acme/secret.txt', 'media/mine/mine.txt'])
  })

  it('gets no folder in common in a race of first uploads', async () => {
    const { driver } = await newDriver(disk?.mount())
    const names = ['acme', 'Acme', 'ACME', 'aCmE']
    const codes = await Promise.all(
      names.map(name => codeOf(() => driver.put(`media/${name}/${name}-file.txt`, Buffer.from(name), TEXT))),
    )
    expect(codes.filter(code => code === 'none').length).toBeLessThanOrEqual(1)
    expect(await keysOf(driver)).toEqual(codes[0] === 'none' ? ['media/acme/acme-file.txt'] : [])
  })
})

describe.runIf(disk)('on a file system that folds case', () => {
  it('the folder of the driver has one name only', async () => {
    const { driver } = await newDriver(disk?.mount())
    expect(await codeOf(() => driver.put('.TENANT-FILES/tmp/x', Buffer.from('evil'), TEXT))).toBe(
      'ERR_KEY_INVALID',
    )
  })
})
