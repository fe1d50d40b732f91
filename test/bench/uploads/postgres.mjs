// The PostgreSQL of the tests, for a benchmark. Their sources are TypeScript, so Vite loads them.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const load = async name => {
  const file = fileURLToPath(new URL(`../../support/${name}.ts`, import.meta.url))
  return (await runnerImport(file, { configFile: false, logLevel: 'error' })).module
}

/** @returns the address of an empty database, and a function that ends the server */
export async function startDatabase() {
  const { startKeeper } = await load('keeper')
  const { startPostgres } = await load('postgres-server')
  const runDir = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
  chmodSync(runDir, 0o711) // user postgres has to reach its folder in it
  const keeper = startKeeper(runDir)
  try {
    const { host, port, user, password } = await startPostgres({ runDir, keeper })
    return { url: `postgres://${user}:${password}@${host}:${port}/postgres`, end: () => keeper.end() }
  } catch (error) {
    await keeper.end()
    throw error
  }
}
