// better-sqlite3 for the full suite, compiled once into the user's cache. It is no dependency: `npm ci` compiles
// nothing, and the embedded SQLite of the tests is libsql.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { npm, run } from './run.mjs'

// the newest line that TypeORM 1 takes and that runs on Node 20
const VERSION = '12.11.1'

/** Where better-sqlite3 lies, or why it is not there: it needs a compiler of C++. */
export async function betterSqlite3() {
  const cache = process.env.XDG_CACHE_HOME || path.join(homedir() || tmpdir(), '.cache')
  const system = `${process.platform}-${process.arch}-${process.versions.modules}`
  const folder = path.join(cache, `tenant-files-better-sqlite3-${VERSION}-${system}`)
  const module = path.join(folder, 'node_modules', 'better-sqlite3')
  if (existsSync(path.join(folder, '.complete'))) return { module }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const allowed = { private: true, allowScripts: { 'better-sqlite3': true } }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(allowed))
  const install = ['install', '--prefix', folder, '--no-audit', '--no-fund', `better-sqlite3@${VERSION}`]
  const { code, output } = await run([npm(), ...install], { cwd: folder, timeout: 600_000 })
  if (code !== 0) return { why: output.trim().split('\n').slice(-5).join('\n') }
  writeFileSync(path.join(folder, '.complete'), '')
  return { module }
}
