import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { type AptProgram, aptProgram } from './apt-program.js'
import type { Keeper } from './keeper.js'
import { freePort } from './ports.js'
import type { MariadbServer } from './provided.js'

const SYSTEM_TABLES = ['mysql_system_tables', 'mysql_performance_tables', 'mysql_system_tables_data']

/** A MariaDB of our own, the installed one or that of the distribution's package. It ends with the keeper. */
export async function startMariadb(options: { runDir: string; keeper: Keeper }): Promise<MariadbServer> {
  const mariadbd = await aptProgram('mariadbd', 'mariadb-server-core')
  const folder = path.join(options.runDir, 'mariadb')
  const data = path.join(folder, 'data')
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const common = [
    '--no-defaults',
    `--basedir=${mariadbd.base}`,
    `--datadir=${data}`,
    '--innodb-log-file-size=32M',
    '--innodb-flush-log-at-trx-commit=0',
    // it refuses to run as root by accident
    ...(process.platform !== 'win32' && userInfo().uid === 0 ? ['--user=root'] : []),
  ]
  await createSystemTables(mariadbd, common)

  const server = { host: '127.0.0.1', port: await freePort(), user: 'tests', password: randomUUID() }
  const user = `${server.user}@'${server.host}'`
  const first = path.join(folder, 'first.sql')
  writeFileSync(
    first,
    `CREATE USER ${user} IDENTIFIED BY '${server.password}';\nGRANT ALL ON *.* TO ${user};\n`,
    { mode: 0o600 },
  )
  const log = path.join(folder, 'server.log')
  const settings = [
    `--port=${server.port}`,
    `--bind-address=${server.host}`,
    `--socket=${path.join(folder, 'socket')}`,
    `--pid-file=${path.join(folder, 'pid')}`,
    `--init-file=${first}`,
    '--skip-name-resolve',
    '--max-connections=200',
    // As applications have it, and on purpose: it shows where keys are compared without regard to case.
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_general_ci',
  ]
  options.keeper.spawn({
    name: 'mariadb',
    command: mariadbd.program,
    args: [...common, ...settings],
    env: { LD_LIBRARY_PATH: mariadbd.env.LD_LIBRARY_PATH ?? '' },
    signals: ['SIGTERM'],
    log,
  })
  await untilReady(server, { log, keeper: options.keeper })
  return server
}

/** What mariadb-install-db does, which needs programs of further packages. One statement a line, as the server asks for here. */
async function createSystemTables({ program, base, env }: AptProgram, args: string[]): Promise<void> {
  const scripts = SYSTEM_TABLES.map(name =>
    readFileSync(path.join(base, 'share/mysql', `${name}.sql`), 'utf8'),
  )
  const server = spawn(program, [...args, '--bootstrap'], {
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: 60_000,
  })
  let said = ''
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  server.stdin.on('error', () => {}) // it ended early, and its exit code says so
  server.stdin.end(
    ['CREATE DATABASE mysql;', 'USE mysql;', 'SET @auth_root_socket=NULL;', ...scripts].join('\n'),
  )
  const [code] = await once(server, 'exit')
  if (code !== 0) throw new Error(`MariaDB cannot create its tables:\n${lastLines(said)}`)
}

async function untilReady(server: MariadbServer, context: { log: string; keeper: Keeper }): Promise<void> {
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    try {
      const client = await createConnection({ ...server, connectTimeout: 2000 })
      await client.end()
      return
    } catch (cause) {
      const gone = context.keeper.complaints().includes('mariadb')
      if (!gone && Date.now() < end) continue
      const log = lastLines(readFileSync(context.log, 'utf8'))
      throw new Error(['MariaDB does not answer', context.keeper.complaints(), log].join('\n'), { cause })
    }
  }
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-10).join('\n')
