// Completes package-lock.json after an install.
//
// Native tools ship one optional package per platform. A registry that mirrors only some of them makes
// `npm install` write a lock without the others, and `npm ci` then stops with EUSAGE "Missing: … from lock
// file". This script adds each missing entry from what the lock itself says, and drops addresses, so that the
// lock works with any registry. npm runs it after every change of node_modules (the `dependencies` script,
// which runs for the root project only). A complete lock is not written again.
//
//   node scripts/complete-lock.mjs           completes the lock
//   node scripts/complete-lock.mjs --check   only says what is missing; exit code 1 if anything is
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OS = {
  aix: 'aix',
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  win32: 'win32',
  windows: 'win32',
}
const CPU = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']
const LIBC = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' }

/** What a platform package's name says about where it runs: `binding-linux-x64-musl` → linux, x64, musl. */
export function platformOf(name) {
  const words = name.split(/[^a-z0-9]+/)
  const os = words.map(word => OS[word]).find(Boolean)
  const cpu = words.find(word => CPU.includes(word))
  const libc = os === 'linux' ? words.map(word => LIBC[word]).find(Boolean) : undefined
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc: [libc] }), ...(os && { os: [os] }) }
}

/** Adds the missing optional entries to a parsed lock and drops addresses; returns what it did, in words. */
export function completeLock(lock) {
  const { packages } = lock
  const changes = []
  for (const [path, entry] of Object.entries(packages)) {
    // A link's or an archive's `resolved` is no registry address: without it npm would not find the files.
    if (entry.resolved?.startsWith('http')) {
      delete entry.resolved
      changes.push(`address of ${path}`)
    }
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      const version = range.replace(/^[~^>=v\s]+/, '')
      if (!isPlainVersion(version) || isFound(packages, path, name, range)) continue
      const place = packages[`node_modules/${name}`] ? `${path}/node_modules/${name}` : `node_modules/${name}`
      const { dev, devOptional } = entry
      const flags = { ...(dev && { dev }), ...(devOptional && { devOptional }), optional: true }
      packages[place] = { version, ...sortKeys({ ...flags, ...platformOf(name) }) }
      changes.push(`entry ${place} ${version}`)
    }
  }
  if (changes.length > 0) lock.packages = sortKeys(packages)
  return changes
}

/** Looks a package up the way Node does: in the folder's own node_modules, then in each one above. */
function isFound(packages, from, name, range) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const entry = packages[folder ? `${folder}/node_modules/${name}` : `node_modules/${name}`]
    if (entry) return !isPlainVersion(range) || entry.version === range
    if (folder === '') return false
  }
}

function isPlainVersion(range) {
  return /^\d+\.\d+\.\d+[\w.+-]*$/.test(range)
}

function sortKeys(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => a.localeCompare(b, 'en')))
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url))
  const lock = JSON.parse(readFileSync(path, 'utf8'))
  const changes = completeLock(lock)
  if (process.argv.includes('--check')) {
    for (const change of changes) console.log(`package-lock.json: ${change}`)
    if (changes.length > 0) process.exitCode = 1
  } else if (changes.length > 0) {
    writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
    console.log(`package-lock.json: ${changes.length} entries completed`)
  }
}
