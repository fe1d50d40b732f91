import type { ContainerClient } from '@azure/storage-blob'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import type { AzureDriver, AzureDriverOptions } from '../../../src/drivers/azure/index.js'
import { azureConnection, createContainer, describeWithAzurite } from '../../support/azure.js'
import { type FaultyProxy, startFaultyProxy, swallow } from '../../support/faulty-proxy.js'
import { driverOn } from './driver-on-azurite.js'

describeWithAzurite('the Azure driver while a copy goes on in the background', () => {
  let proxy: FaultyProxy
  let container: ContainerClient
  const key = 'to.txt'
  beforeAll(async () => {
    proxy = await startFaultyProxy(azureConnection().endpoint)
    container = await createContainer('copies')
  })
  afterAll(() => proxy.close())

  function driver(options: Partial<AzureDriverOptions> = {}): AzureDriver {
    const endpoint = `${proxy.endpoint}/${azureConnection().accountName}`
    return driverOn(container, { endpoint, ...options })
  }
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: unknown) => (StorageError.is(error) ? error.code : error),
    )
  const headers = { 'x-ms-copy-id': 'the-copy', etag: '"1"', 'last-modified': new Date(0).toUTCString() }
  /** Azurite copies at once, so the server's part is played here: its states, one for each look at the target. */
  function pending(...states: string[]) {
    proxy.seen = []
    proxy.fault = (req, res) => {
      swallow(req)
      const status = req.method === 'HEAD' ? (states.shift() ?? 'pending') : 'pending'
      res.writeHead(req.method === 'HEAD' ? 200 : req.url?.includes('comp=copy') ? 204 : 202, {
        ...headers,
        'x-ms-copy-status': status,
      })
      res.end()
    }
  }
  const seen = (method: string) => proxy.seen.filter(line => line.startsWith(method))

  it('waits until it is done', async () => {
    pending('pending', 'success')
    await driver().copy('from', key)
    expect(seen('HEAD')).toHaveLength(2)
    expect(seen('DELETE')).toEqual([])
  })

  it('says when it fails, and takes the empty target back', async () => {
    pending('failed', 'failed')
    expect(await code(driver().copy('from', key))).toBe('ERR_BACKEND')
    expect(seen('DELETE')).toHaveLength(1)
  })

  it('ends it with the signal, and takes the empty target back', async () => {
    pending()
    const signal = AbortSignal.timeout(300)
    expect(await code(driver().copy('from', key, { signal }))).toBe('ERR_UPLOAD_ABORTED')
    expect(seen('PUT').at(-1)).toContain('comp=copy&copyid=the-copy')
    expect(seen('DELETE')).toHaveLength(1)
  })

  it('does not wait for ever', async () => {
    pending()
    expect(await code(driver({ requestTimeout: 100 }).copy('from', key))).toBe('ERR_BACKEND_TIMEOUT')
    expect(seen('DELETE')).toHaveLength(1)
  })
})
