// A PostgreSQL for a benchmark, as the tests have it. Loaded through vite, since it is TypeScript.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startKeeper } from '../../support/keeper.js'
import { startPostgres } from '../../support/postgres-server.js'

/** Its address, and a function that ends it and removes its folder. */
export async function benchPostgres(): Promise<{ url: string; end: () => Promise<void> }> {
  const runDir = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
  chmodSync(runDir, 0o711) // user postgres has to reach its folder in it
  const keeper = startKeeper(runDir)
  const { host, port, user, password } = await startPostgres({ runDir, keeper })
  return { url: `postgres://${user}:${password}@${host}:${port}/postgres`, end: () => keeper.end() }
}
