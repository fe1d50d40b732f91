import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder, systemName } from './cache-folder.js'

const run = promisify(execFile)
const LIBRARIES = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' } as Record<string, string>

/** A program of the system, or of a package of its distribution. */
export interface AptProgram {
  readonly program: string
  /** What stands before `/sbin` or `/bin`, with the package's data in `share`. */
  readonly base: string
  /** To be run with: an unpacked program needs its libraries. */
  readonly env: NodeJS.ProcessEnv
}

/** The installed program, or that of the distribution's package, unpacked once into the user's cache. */
export async function aptProgram(name: string, fromPackage: string): Promise<AptProgram> {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin']
  const installed = folders.map(folder => path.join(folder, name)).find(program => existsSync(program))
  if (installed !== undefined) {
    return { program: installed, base: path.resolve(path.dirname(installed), '..'), env: process.env }
  }
  const root = path.join(cacheFolder(), `tenant-files-${fromPackage}-${systemName()}`)
  const script = fileURLToPath(new URL('./apt-unpack.sh', import.meta.url))
  await run('bash', [script, root, fromPackage], { timeout: 300_000 })
  const base = path.join(root, 'usr')
  const LD_LIBRARY_PATH = path.join(base, 'lib', LIBRARIES[process.arch] ?? '')
  const server = path.join(base, 'sbin', name)
  const program = existsSync(server) ? server : path.join(base, 'bin', name)
  return { program, base, env: { ...process.env, LD_LIBRARY_PATH } }
}
