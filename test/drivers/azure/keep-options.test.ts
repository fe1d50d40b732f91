import { Buffer } from 'node:buffer'
import { beforeAll, expect, it } from 'vitest'
import type { AzureDriver } from '../../../src/drivers/azure/index.js'
import { readText, someBytes, TEXT } from '../../../src/testing/driver-cases-support.js'
import { azureConnection, createContainer, describeWithAzurite } from '../../support/azure.js'
import { startFaultyProxy } from '../../support/faulty-proxy.js'
import { driverOn } from './driver-on-azurite.js'

describeWithAzurite('the Azure driver keeps blobs as it is asked to', () => {
  let container: Awaited<ReturnType<typeof createContainer>>
  let driver: AzureDriver
  beforeAll(async () => {
    container = await createContainer('keep')
    driver = driverOn(container, { blockSize: 64 * 1024 })
  })
  const tierOf = async (key: string) => (await container.getBlobClient(key).getProperties()).accessTier

  it('in a tier: whole, in blocks, and in a copy', async () => {
    await driver.put('whole.txt', Buffer.from('x'), { ...TEXT, storageClass: 'Cool' })
    await driver.put('blocks.bin', someBytes(200_000), { ...TEXT, storageClass: 'Cool' })
    await driver.copy('whole.txt', 'copy.txt', { storageClass: 'Cool' })
    for (const key of ['whole.txt', 'blocks.bin', 'copy.txt'])
      expect([key, await tierOf(key)]).toEqual([key, 'Cool'])
    await driver.put('plain.txt', Buffer.from('x'), TEXT)
    expect(await tierOf('plain.txt')).toBe('Hot')
  })

  // azurite takes the header and keeps nothing of it, so what is sent is looked at.
  it('in an encryption scope, which goes with every request that stores', async () => {
    const proxy = await startFaultyProxy(azureConnection().endpoint)
    const scopes: string[] = []
    proxy.fault = (req, _res, pass) => {
      if (req.method === 'PUT')
        scopes.push(
          `${new URL(req.url ?? '', proxy.endpoint).searchParams.get('comp')} ${req.headers['x-ms-encryption-scope']}`,
        )
      return pass()
    }
    try {
      const through = driverOn(container, {
        blockSize: 64 * 1024,
        endpoint: `${proxy.endpoint}/${azureConnection().accountName}`,
      })
      const encryption = { algorithm: 'azure:scope', keyId: 'acme-scope' } as const
      await through.put('scoped.bin', someBytes(200_000), { ...TEXT, encryption })
      await through.put('scoped.txt', Buffer.from('small'), { ...TEXT, encryption })
      await through.copy('scoped.txt', 'scoped-copy.txt', { encryption })
      expect(new Set(scopes)).toEqual(
        new Set(['block acme-scope', 'blocklist acme-scope', 'null acme-scope']),
      )
      expect(await readText(driver, 'scoped-copy.txt')).toBe('small')
      expect(await driver.head('scoped-copy.txt')).toMatchObject({ contentType: 'text/plain' })
    } finally {
      await proxy.close()
    }
  })
})
