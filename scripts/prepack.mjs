// Before `npm pack` and `npm publish`: a package without its built code installs well and cannot be imported. Builds
// unless everything in dist is younger than src, so that a check that packs right after a build does not build again.
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { npm, root } from './run.mjs'

const times = folder =>
  readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => statSync(path.join(entry.parentPath, entry.name)).mtimeMs)

function isBuilt() {
  try {
    statSync(path.join(root, 'dist', 'core', 'index.js'))
  } catch {
    return false
  }
  return Math.min(...times('dist')) > Math.max(...times('src'))
}

if (!isBuilt()) {
  // npm pack --json answers on standard output
  execFileSync(process.execPath, [npm(), 'run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', 2, 'inherit'],
  })
}
