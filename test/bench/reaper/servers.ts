// The PostgreSQL and the Ceph of the tests, for a benchmark. Loaded through vite, since it is TypeScript.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startS3 } from '../../support/ceph.js'
import { startKeeper } from '../../support/keeper.js'
import { startPostgres } from '../../support/postgres-server.js'

/** Their addresses, and a function that ends both and removes their folder. */
export async function benchServers() {
  const runDir = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
  chmodSync(runDir, 0o711) // user postgres has to reach its folder in it
  const keeper = startKeeper(runDir)
  const end = () => keeper.end()
  try {
    const s3 = await startS3({ runDir, keeper })
    const { host, port, user, password } = await startPostgres({ runDir, keeper })
    return { s3, url: `postgres://${user}:${password}@${host}:${port}/postgres`, end }
  } catch (error) {
    await end()
    throw error
  }
}
