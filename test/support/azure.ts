import { randomUUID } from 'node:crypto'
import { BlobServiceClient, type ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { describe, inject } from 'vitest'
import { type AzureServer, NEEDS } from './provided.js'

/**
 * `describe` for suites that need azurite: skipped, and named at the end of the run, where there is none. The body
 * runs either way, so ask for {@link azureConnection} in hooks and tests only.
 */
export function describeWithAzurite(name: string, body: () => void): void {
  describe.skipIf(inject('azure') === undefined)(`${name} ${NEEDS.azure}`, body)
}

/** The azurite of this run. */
export function azureConnection(): AzureServer {
  const server = inject('azure')
  if (!server) throw new Error('no azurite in this run: use describeWithAzurite')
  return server
}

/** The SDK's client for arranging and inspecting, independent of what is under test. */
export function azureService(server: AzureServer = azureConnection()): BlobServiceClient {
  return new BlobServiceClient(
    server.endpoint,
    new StorageSharedKeyCredential(server.accountName, server.accountKey),
  )
}

/** A container nobody else uses. It stays until the server ends with the run. */
export async function createContainer(prefix = 'test'): Promise<ContainerClient> {
  const { containerClient } = await azureService().createContainer(`${prefix}-${randomUUID()}`)
  return containerClient
}

export interface ListedBlob {
  name: string
  /** False for one that has uncommitted blocks only, which no reader sees. */
  committed: boolean
}

/** Everything in a container, also what was begun and never committed. */
export async function listAllBlobs(container: ContainerClient, prefix = ''): Promise<ListedBlob[]> {
  const blobs: ListedBlob[] = []
  for await (const { name, properties } of container.listBlobsFlat({ includeUncommitedBlobs: true, prefix }))
    blobs.push({ name, committed: properties.etag !== undefined && properties.contentType !== undefined })
  return blobs
}
