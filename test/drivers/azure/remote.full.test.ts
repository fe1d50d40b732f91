import { randomUUID } from 'node:crypto'
import type { ContainerClient } from '@azure/storage-blob'
import { beforeAll, it } from 'vitest'
import { remoteDriverCases } from '../../../src/testing/index.js'
import { azureConnection, createContainer, describeWithAzurite } from '../../support/azure.js'
import { driverOn } from './driver-on-azurite.js'

describeWithAzurite('the Azure driver on a backend that fails', () => {
  let container: ContainerClient
  beforeAll(async () => {
    container = await createContainer('remote')
  })
  it.each(remoteDriverCases)('$name', async ({ run }) => {
    const { endpoint: target, accountName } = azureConnection()
    await run({
      target,
      prefix: `${randomUUID()}/`,
      through: (origin, limits) =>
        driverOn(container, { endpoint: `${origin}/${accountName}`, blockSize: 1024 * 1024, ...limits }),
    })
  })
})
