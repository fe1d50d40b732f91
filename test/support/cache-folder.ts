import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'

/** The user's cache folder; a private one below the temporary folder where the home is missing or closed. */
export function cacheFolder(): string {
  const home = homedir()
  const wanted = process.env.XDG_CACHE_HOME || path.join(home, '.cache')
  try {
    if (!process.env.XDG_CACHE_HOME) accessSync(home || 'no home', constants.W_OK)
    mkdirSync(wanted, { recursive: true })
    accessSync(wanted, constants.W_OK)
    return wanted
  } catch {
    const uid = process.getuid?.() ?? 0
    const own = path.join(tmpdir(), `tenant-files-cache-${uid}`)
    mkdirSync(own, { recursive: true, mode: 0o700 })
    // its name can be guessed: never run programs that somebody else put there
    if (statSync(own).uid !== uid) throw new Error(`${own} belongs to somebody else; set XDG_CACHE_HOME`)
    return own
  }
}

/** Packages of one system do not run on another, and a home may be shared by several. */
export function systemName(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const field = (name: string): string =>
    new RegExp(`^${name}="?([\\w.-]+)`, 'm').exec(release)?.[1] ?? 'unknown'
  return `${field('ID')}-${field('VERSION_ID')}-${process.arch}`
}
