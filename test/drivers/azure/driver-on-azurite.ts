import type { ContainerClient } from '@azure/storage-blob'
import { AzureDriver, type AzureDriverOptions } from '../../../src/drivers/azure/index.js'
import { azureConnection } from '../../support/azure.js'

/** The driver under test, by account key, on the azurite of this run. */
export function driverOn(container: ContainerClient, options: Partial<AzureDriverOptions> = {}): AzureDriver {
  return new AzureDriver({ container: container.containerName, ...azureConnection(), ...options })
}

/** Put Blob wants to know which kind of blob it makes, also from the client that has a signed URL. */
export const fetchFromAzure: typeof fetch = (url, init = {}) => {
  const headers = new Headers(init.headers)
  if (init.method === 'PUT') headers.set('x-ms-blob-type', 'BlockBlob')
  return fetch(url, { ...init, headers })
}
