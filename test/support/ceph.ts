import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Keeper } from './keeper.js'
import { freePort } from './ports.js'
import type { S3Server } from './provided.js'

const run = promisify(execFile)
const script = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

/**
 * The S3 server of this run: the one named by S3_TEST_ENDPOINT, else a Ceph RADOS Gateway of our own, from the
 * installed packages or from packages unpacked once into the user's cache.
 */
export async function startS3(options: { runDir: string; keeper: Keeper }): Promise<S3Server> {
  return externalS3() ?? (await startCeph(options)).server
}

function externalS3(): S3Server | undefined {
  const env = process.env
  if (!env.S3_TEST_ENDPOINT) return undefined
  if (!env.S3_TEST_KEY || !env.S3_TEST_SECRET) {
    throw new Error('S3_TEST_ENDPOINT needs S3_TEST_KEY and S3_TEST_SECRET beside it')
  }
  return {
    endpoint: env.S3_TEST_ENDPOINT,
    region: env.S3_TEST_REGION || 'us-east-1',
    accessKeyId: env.S3_TEST_KEY,
    secretAccessKey: env.S3_TEST_SECRET,
    // without a second user, an unknown one: it is refused just the same
    other: {
      accessKeyId: env.S3_TEST_OTHER_KEY || 'NOSUCHACCESSKEY',
      secretAccessKey: env.S3_TEST_OTHER_SECRET || 'noSuchSecretKey',
    },
  }
}

/** A Ceph cluster whose gateway can be killed. */
export interface Ceph {
  server: S3Server
  /** `kill -9`, at once. Monitor and OSD, and so all data, stay. */
  killGateway(): void
  /** Starts it again on its old port, and waits until it listens. */
  startGateway(): Promise<void>
}

/** A Ceph cluster of our own. It ends with the keeper. */
export async function startCeph({ runDir, keeper }: { runDir: string; keeper: Keeper }): Promise<Ceph> {
  if (process.platform !== 'linux') {
    throw new Error(
      `Ceph runs on Linux only, not on ${process.platform}; set S3_TEST_ENDPOINT to a server elsewhere`,
    )
  }
  const env: Record<string, string> = {}
  if (process.env.CEPH_ROOT) env.CEPH_ROOT = process.env.CEPH_ROOT
  else if (!isInstalled()) {
    env.CEPH_ROOT = path.join(cacheFolder(), `tenant-files-ceph-${systemName()}`)
    await bash([script('ceph-unpack.sh'), env.CEPH_ROOT], { env, timeout: 300_000 })
  }
  const folder = path.join(runDir, 'ceph')
  // before the start: the runner may be killed in the middle of it
  keeper.atEnd({ command: 'bash', args: [script('ceph-rgw.sh'), 'stop', folder], env })
  const start = async () =>
    bash([script('ceph-rgw.sh'), 'start', folder, String(await freePort())], { env, timeout: 180_000 })
  await start().catch(start) // once more: somebody else may have taken the port in between
  const settings = new Map(
    readFileSync(path.join(folder, 'env'), 'utf8')
      .split('\n')
      .map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const setting = (name: string): string => settings.get(name) ?? ''
  const server = {
    endpoint: setting('RGW_ENDPOINT'),
    region: setting('RGW_REGION'),
    accessKeyId: setting('RGW_ACCESS_KEY'),
    secretAccessKey: setting('RGW_SECRET_KEY'),
    other: { accessKeyId: setting('RGW_ACCESS_KEY2'), secretAccessKey: setting('RGW_SECRET_KEY2') },
  }
  return {
    server,
    killGateway: () => process.kill(gatewayOf(folder), 'SIGKILL'),
    startGateway: () => bash([script('ceph-rgw.sh'), 'gateway', folder], { env, timeout: 60_000 }),
  }
}

/** The process id that the script wrote down, as long as the process is the gateway of this folder. */
function gatewayOf(folder: string): number {
  const pid = readFileSync(path.join(folder, 'run/rgw.pid'), 'utf8').trim()
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  if (command.some(word => word.endsWith(`${folder}/ceph.conf`))) return Number(pid)
  throw new Error(`process ${pid} is not the gateway of ${folder}`)
}

async function bash(
  args: string[],
  options: { env: Record<string, string>; timeout: number },
): Promise<void> {
  try {
    await run('bash', args, { env: { ...process.env, ...options.env }, timeout: options.timeout })
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : ''
    throw new Error(said || `${path.basename(args[0] ?? 'bash')} failed or took too long`, { cause })
  }
}

function isInstalled(): boolean {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  return ['radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd', 'monmaptool'].every(program =>
    folders.some(folder => existsSync(path.join(folder, program))),
  )
}

/** The user's cache folder; a private one below the temporary folder where the home is missing or closed. */
function cacheFolder(): string {
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
function systemName(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const field = (name: string): string =>
    new RegExp(`^${name}="?([\\w.-]+)`, 'm').exec(release)?.[1] ?? 'unknown'
  return `${field('ID')}-${field('VERSION_ID')}-${process.arch}`
}
