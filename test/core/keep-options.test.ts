import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import type { DriverCapabilities, PutOptions } from '../../src/core/driver.js'
import { createStorage, type DiskOptions, onStorageEvent, runWithTenant } from '../../src/core/index.js'
import { codeOf } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const TEXT = { contentType: 'text/plain' }
const BYTES = Buffer.from('hello')

const KNOWS_ALL: Partial<DriverCapabilities> = {
  encryption: ['AES256', 'aws:kms'],
  storageClasses: ['STANDARD', 'INTELLIGENT_TIERING'],
}

function storageWith(disk: Partial<DiskOptions>, capabilities: Partial<DriverCapabilities> = KNOWS_ALL) {
  const driver = new SpyDriver({ capabilities })
  const media: DiskOptions = { location: 'media', visibility: 'private', tenancy: 'required', ...disk }
  const storage = createStorage({
    secret: 'a secret of the tests',
    backends: { spy: driver },
    disks: { media },
  })
  const sent = () => driver.calls.at(-1)?.options
  return { driver, storage, disk: storage.disk('media'), sent }
}

const asAcme = <T>(fn: () => Promise<T>) => runWithTenant('acme', fn)

describe('the storage class and encryption of a disk', () => {
  const encryption = { algorithm: 'aws:kms', keyId: 'key-1' } as const
  const storageClass = 'INTELLIGENT_TIERING'

  it('go with every put and copy', async () => {
    const { disk, sent } = storageWith({ storageClass, encryption })
    await asAcme(() => disk.put('a.txt', BYTES, TEXT))
    expect(sent()).toMatchObject({ storageClass, encryption })
    await asAcme(() => disk.copy('a.txt', 'b.txt'))
    expect(sent()).toMatchObject({ storageClass, encryption })
  })

  it('give way to those of the call', async () => {
    const { disk, sent } = storageWith({ storageClass, encryption })
    const call = { storageClass: 'STANDARD', encryption: { algorithm: 'AES256' } } as const
    await asAcme(() => disk.put('a.txt', BYTES, { ...TEXT, ...call }))
    expect(sent()).toMatchObject(call)
    await asAcme(() => disk.copy('a.txt', 'b.txt', call))
    expect(sent()).toMatchObject(call)
  })

  it('are not sent to a backend that would ignore them', async () => {
    const { disk, sent } = storageWith(
      { storageClass, encryption },
      { encryption: ['AES256'], storageClasses: [] },
    )
    await asAcme(() => disk.put('a.txt', BYTES, TEXT))
    expect(sent()).not.toHaveProperty('storageClass')
    expect(sent()).not.toHaveProperty('encryption')
  })

  it.each([
    { encryption: { algorithm: 'AES256' } },
    { encryption: { algorithm: 'aes256' } },
    { storageClass: 'COLD' },
  ])('of a call are refused where the backend would ignore them: %j', async keep => {
    const { driver, disk } = storageWith({}, { encryption: [], storageClasses: [] })
    const options = { ...TEXT, ...keep } as PutOptions
    expect(await codeOf(() => asAcme(() => disk.put('a.txt', BYTES, options)))).toBe('ERR_UNSUPPORTED')
    expect(driver.calls).toEqual([])
  })

  it('may have a key for each tenant', async () => {
    const keyId = (tenant: string | null) => `key-of-${tenant}`
    const { disk, sent } = storageWith({ encryption: { algorithm: 'aws:kms', keyId } })
    for (const tenant of ['acme', 'globex']) {
      await runWithTenant(tenant, () => disk.put('a.txt', BYTES, TEXT))
      expect(sent()).toMatchObject({ encryption: { algorithm: 'aws:kms', keyId: `key-of-${tenant}` } })
    }
  })

  it.each([undefined, '', 7])('refuse to store with the key %j instead of one for the tenant', async key => {
    const keyId = () => key as string
    const { driver, disk } = storageWith({ encryption: { algorithm: 'aws:kms', keyId } })
    expect(await codeOf(() => asAcme(() => disk.put('a.txt', BYTES, TEXT)))).toBe('ERR_CONFIG')
    expect(driver.calls).toEqual([])
  })

  it.each<[string, Partial<Record<keyof DiskOptions, unknown>>]>([
    ['an algorithm that does not exist', { encryption: { algorithm: 'rot13' } }],
    ['an encryption without an algorithm', { encryption: {} }],
    ['AES256 with a key, which would not be used', { encryption: { algorithm: 'AES256', keyId: 'key-1' } }],
    ['an encryption scope without a name', { encryption: { algorithm: 'azure:scope' } }],
    ['a key of Google without a name', { encryption: { algorithm: 'gcp:kms' } }],
    ['a storage class that is no word', { storageClass: 'COLD\r\nx-evil: 1' }],
  ])('are refused at start-up: %s', (_, options) => {
    expect(() => storageWith(options as Partial<DiskOptions>)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})

describe('ready', () => {
  const asked: Partial<DiskOptions> = { storageClass: 'STANDARD', encryption: { algorithm: 'AES256' } }

  async function warningsOf(start: () => Promise<void>): Promise<string[]> {
    const heard: string[] = []
    const stop = onStorageEvent('warning', ({ code, message }) => void heard.push(`${code}: ${message}`))
    await start().finally(stop)
    return heard
  }

  it('warns once of what a backend would ignore', async () => {
    const { storage } = storageWith(asked, { encryption: [], storageClasses: [] })
    const [warning, ...more] = await warningsOf(async () => {
      await storage.ready()
      await storage.ready()
    })
    expect(warning).toBe(
      'DISK_OPTION_IGNORED: The disk "media" asks for the storage class STANDARD and the encryption AES256, which the spy backend "spy" does not know: new files are kept there without.',
    )
    expect(more).toEqual([])
  })

  it('is silent where the backend knows it all', async () => {
    const { storage } = storageWith(asked)
    expect(await warningsOf(() => storage.ready())).toEqual([])
  })

  it('does not warn of a backend that no new file goes to', async () => {
    const media: DiskOptions = { location: 'media', visibility: 'private', tenancy: 'required', ...asked }
    const storage = createStorage({
      secret: 'a secret of the tests',
      backends: { old: new SpyDriver(), cloud: new SpyDriver({ capabilities: KNOWS_ALL }) },
      writeTo: 'cloud',
      disks: { media },
    })
    expect(await warningsOf(() => storage.ready())).toEqual([])
  })
})

describe('the Cache-Control of a disk', () => {
  it('is stored with its objects, unless the call says otherwise', async () => {
    const { disk, sent } = storageWith({ cacheControl: 'private, max-age=60' })
    await asAcme(() => disk.put('a.txt', BYTES, TEXT))
    expect(sent()).toMatchObject({ cacheControl: 'private, max-age=60' })
    await asAcme(() => disk.put('b.txt', BYTES, { ...TEXT, cacheControl: 'no-store' }))
    expect(sent()).toMatchObject({ cacheControl: 'no-store' })
  })
})
