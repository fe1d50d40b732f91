import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { AzureDriver } from '../../../src/drivers/azure/index.js'
import { azureService, describeWithAzurite } from '../../support/azure.js'
import { startAzurite } from '../../support/azurite.js'
import { startKeeper } from '../../support/keeper.js'
import { tempDir } from '../../support/temp-dir.js'

const TEXT = { contentType: 'text/plain' }

/** Ten blocks of 64 KiB, one every 20 milliseconds. */
async function* slowly(): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < 10; piece++) {
    await sleep(20)
    yield Buffer.alloc(64 * 1024, `${piece}`)
  }
}

describeWithAzurite('the Azure driver when the server is killed', () => {
  it('ends each of twenty uploads at once: whole before, or with an error', async () => {
    const runDir = tempDir()
    const keeper = startKeeper(runDir)
    const server = await startAzurite({ runDir, keeper, signals: ['SIGKILL'] })
    const container = `plug-${randomUUID()}`
    await azureService(server).createContainer(container)
    const driver = new AzureDriver({ container, ...server, blockSize: 64 * 1024, requestTimeout: 2_000 })
    const put = (index: number, body: Buffer | Readable) =>
      driver.put(`${index}.txt`, body, TEXT).catch((error: unknown) => error)

    expect(await put(0, Buffer.from('before'))).toMatchObject({ size: 6 })
    const bodies = Array.from({ length: 20 }, () => Readable.from(slowly(), { objectMode: false }))
    const uploads = bodies.map((body, index) => put(index, body))
    await sleep(100)
    const killed = Date.now()
    await keeper.end()
    for (const outcome of await Promise.all(uploads)) {
      expect(StorageError.is(outcome)).toBe(true)
      expect(['ERR_BACKEND', 'ERR_BACKEND_TIMEOUT']).toContain((outcome as StorageError).code)
    }
    expect(Date.now() - killed).toBeLessThan(15_000)
    expect(bodies.every(body => body.destroyed)).toBe(true)
  })
})
