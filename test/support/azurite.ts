import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { Keeper } from './keeper.js'
import { freePort } from './ports.js'
import type { AzureServer } from './provided.js'

/** The account that azurite has by itself. Its key is public: it is in Microsoft's documentation of the emulator. */
const ACCOUNT = {
  accountName: 'devstoreaccount1',
  accountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
}

/** What to start as `node <args>` for an azurite with its files in memory. */
export function azuriteCommand(port: number): string[] {
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js')
  return [
    script,
    ...['--blobHost', '127.0.0.1', '--blobPort', String(port)],
    '--inMemoryPersistence',
    // It does not know the version of the protocol that the SDK speaks, and gets on with it.
    '--skipApiVersionCheck',
    '--silent',
    '--disableTelemetry',
  ]
}

export function azureServerAt(port: number): AzureServer {
  return { ...ACCOUNT, endpoint: `http://127.0.0.1:${port}/${ACCOUNT.accountName}` }
}

/** Microsoft's emulator of Azure Blob Storage, from npm. */
export async function startAzurite(options: { runDir: string; keeper: Keeper }): Promise<AzureServer> {
  const port = await freePort()
  const log = path.join(options.runDir, 'azurite.log')
  options.keeper.spawn({
    name: 'azurite',
    command: process.execPath,
    args: azuriteCommand(port),
    signals: ['SIGTERM'],
    log,
  })
  const server = azureServerAt(port)
  const gone = () => options.keeper.complaints().includes('azurite')
  try {
    await untilAzuriteAnswers(server, gone)
  } catch (cause) {
    const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-10) : []
    throw new Error(['azurite does not answer', options.keeper.complaints(), ...said].join('\n'), { cause })
  }
  return server
}

/** Rejects after 30 seconds, or as soon as the server is `gone`. */
export async function untilAzuriteAnswers(server: AzureServer, gone = () => false): Promise<void> {
  const credential = new StorageSharedKeyCredential(server.accountName, server.accountKey)
  const client = new BlobServiceClient(server.endpoint, credential, { retryOptions: { maxTries: 1 } })
  for (const end = Date.now() + 30_000; ; await sleep(100)) {
    try {
      await client.getProperties({ abortSignal: AbortSignal.timeout(2_000) })
      return
    } catch (error) {
      if (gone() || Date.now() >= end) throw error
    }
  }
}
