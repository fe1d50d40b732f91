// What the tests have, for benchmarks. It is TypeScript, so Vite loads it.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

/** @param name of a file in test/support */
export async function load(name) {
  const file = fileURLToPath(new URL(`../support/${name}.ts`, import.meta.url))
  return (await runnerImport(file, { configFile: false, logLevel: 'error' })).module
}

/** @returns the address of an empty PostgreSQL database, and a function that ends the server */
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
