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

export interface AzuriteOptions {
  runDir: string
  keeper: Keeper
  /** Files of a certificate and its key. With them it speaks https, and takes tokens of Entra ID unchecked. */
  https?: { cert: string; key: string }
  /** How the keeper ends it. */
  signals?: NodeJS.Signals[]
}

/** Microsoft's emulator of Azure Blob Storage, from npm, with its files in memory. */
export async function startAzurite({ runDir, keeper, https, signals }: AzuriteOptions): Promise<AzureServer> {
  const port = await freePort()
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js')
  const args = [script, '--blobHost', '127.0.0.1', '--blobPort', String(port)]
  args.push('--inMemoryPersistence', '--silent', '--disableTelemetry')
  // It does not know the version of the protocol that the SDK speaks, and gets on with it.
  args.push('--skipApiVersionCheck')
  if (https) args.push('--cert', https.cert, '--key', https.key, '--oauth', 'basic')
  const log = path.join(runDir, 'azurite.log')
  keeper.spawn({ name: 'azurite', command: process.execPath, args, signals: signals ?? ['SIGTERM'], log })
  const endpoint = `${https ? 'https' : 'http'}://127.0.0.1:${port}/${ACCOUNT.accountName}`
  const server = { ...ACCOUNT, endpoint }
  try {
    await untilReady(server, () => keeper.complaints().includes('azurite'))
  } catch (cause) {
    const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-10) : []
    throw new Error(['azurite does not answer', keeper.complaints(), ...said].join('\n'), { cause })
  }
  return server
}

async function untilReady(server: AzureServer, gone: () => boolean): Promise<void> {
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
