import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { startAzurite } from './azurite.js'
import { startS3 } from './ceph.js'
import { type Keeper, startKeeper } from './keeper.js'
import { startMariadb } from './mariadb-server.js'
import { startPostgres } from './postgres-server.js'
import type { MissingServers } from './provided.js'

/** It would go round hundreds of small databases, a process for each, while the tests wait for the processor. */
const QUICK_POSTGRES = { autovacuum: 'off' }

let keeper: Keeper | undefined

/** Brings up the servers of the run, side by side. In the full suite and in CI a missing server is a failure. */
export async function setup(project: TestProject): Promise<void> {
  const runDir = mkdtempSync(path.join(tmpdir(), 'tenant-files-test-'))
  chmodSync(runDir, 0o711) // user postgres has to reach its folder in it
  keeper = startKeeper(runDir)
  const full = process.env.TEST_FULL === '1'
  const [s3, postgres, azure, mariadb] = await Promise.allSettled([
    startS3({ runDir, keeper }),
    startPostgres({ runDir, keeper, settings: full ? {} : QUICK_POSTGRES }),
    startAzurite({ runDir, keeper }),
    full ? startMariadb({ runDir, keeper }) : undefined,
  ])
  const missing: MissingServers = {}
  if (s3.status === 'rejected') missing.s3 = reason(s3.reason)
  if (postgres.status === 'rejected') missing.postgres = reason(postgres.reason)
  if (azure.status === 'rejected') missing.azure = reason(azure.reason)
  if (mariadb.status === 'rejected') missing.mariadb = reason(mariadb.reason)
  if (Object.keys(missing).length > 0 && (full || process.env.CI === 'true')) {
    await keeper.end()
    throw new Error(
      ['A server is missing, and here no suite may be skipped.', ...Object.values(missing)].join('\n'),
    )
  }
  project.provide('runDir', runDir)
  project.provide('s3', s3.status === 'fulfilled' ? s3.value : undefined)
  project.provide('postgres', postgres.status === 'fulfilled' ? postgres.value : undefined)
  project.provide('azure', azure.status === 'fulfilled' ? azure.value : undefined)
  project.provide('mariadb', mariadb.status === 'fulfilled' ? mariadb.value : undefined)
  project.provide('missingServers', missing)
}

export async function teardown(): Promise<void> {
  await keeper?.end()
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))
