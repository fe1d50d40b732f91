// Proves the lock by a real `npm ci`: a clone of HEAD in a temporary folder, with the manifest and lock of the
// work tree over it, must install within its time and leave the lock as it was. The folder is removed after.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { completeLock } from './complete-lock.mjs'
import { npm, root, run } from './run.mjs'

const OWN = ['package.json', 'package-lock.json', '.npmrc', 'scripts']
const LIMIT_SECONDS = 180

const missing = completeLock(JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')))
if (missing.length > 0)
  fail(`the lock is not complete; run: node scripts/complete-lock.mjs\n${missing.join('\n')}`)
else await install()

async function install() {
  const folder = mkdtempSync(path.join(tmpdir(), 'tenant-files-lock-'))
  try {
    // Outside of a repository (an unpacked archive) the files below are all that `npm ci` needs.
    if (existsSync(path.join(root, '.git'))) {
      execFileSync('git', ['clone', '--quiet', '--no-hardlinks', root, folder])
    }
    for (const name of OWN) cpSync(path.join(root, name), path.join(folder, name), { recursive: true })
    const started = Date.now()
    const { code, output } = await run([npm(), 'ci', '--no-audit', '--no-fund'], {
      cwd: folder,
      timeout: LIMIT_SECONDS * 1000,
    })
    if (code !== 0) return fail(`npm ci failed in a clean clone\n${output}`)
    const lock = name => readFileSync(path.join(name, 'package-lock.json'), 'utf8')
    if (lock(folder) !== lock(root)) return fail('npm ci changed package-lock.json')
    console.log(`npm ci in a clean clone: ${Math.round((Date.now() - started) / 1000)} s`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function fail(why) {
  console.error(why)
  process.exitCode = 1
}
