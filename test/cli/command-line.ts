import { spawn } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { bySuite } from '../support/suites.js'
import { type Answer, root, run, tempFolder } from '../tooling/tools.js'
import { runInProcess } from './in-process.js'

/** An application's folder, in which the built command runs. */
export interface Workshop {
  readonly folder: string
  write(name: string, text: string): void
  /** In the full suite as a process, in the quick one within the test's own. */
  run(...args: string[]): Promise<Answer>
  runIn(below: string, ...args: string[]): Promise<Answer>
  /** Always as a process. */
  start(...args: string[]): Promise<Answer>
  /** With words for node in front of the command, such as `--import`. */
  runBy(nodeArgs: readonly string[], ...args: string[]): Promise<Answer>
  /** Sends Ctrl-C once the command has said this on standard error. */
  interrupt(after: string, ...args: string[]): Promise<Answer>
  remove(): void
}

const command = path.join(root, 'dist', 'cli', 'main.js')
/** To start a process takes longer than all that the command does. */
const isStarted = bySuite({ quick: false, full: true })
/** What an application of the tests may import, as if it were installed there. */
const INSTALLED = ['libsql', 'pg', 'reflect-metadata', 'tsx', 'typeorm']

/** Imports of the built library, as an application that has it installed would write them. */
export function room(name: string): string {
  return JSON.stringify(path.join(root, 'dist', name, 'index.js'))
}

/** A folder with a configuration of a local storage in it. */
export function workshop(config = localConfig()): Workshop {
  const { folder, remove } = tempFolder('cli')
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
  write('tenant-files.config.mjs', config)
  install(folder)
  const start = (below: string, args: string[]) =>
    run(process.execPath, [command, ...args], path.join(folder, below))
  const runIn = (below: string, ...args: string[]) =>
    isStarted ? start(below, args) : runInProcess({ folder: path.join(folder, below), args })
  return {
    ...{ folder, remove, write, runIn },
    run: (...args) => runIn('.', ...args),
    start: (...args) => start('.', args),
    runBy: (nodeArgs, ...args) => run(process.execPath, [...nodeArgs, command, ...args], folder),
    interrupt: (after, ...args) => interrupt(folder, after, args),
  }
}

function install(folder: string): void {
  const modules = path.join(folder, 'node_modules')
  mkdirSync(modules)
  for (const name of INSTALLED)
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction')
  symlinkSync(root, path.join(modules, 'tenant-files'), 'junction')
}

function interrupt(folder: string, after: string, args: readonly string[]): Promise<Answer> {
  const child = spawn(process.execPath, [command, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let isSent = false
  child.stdout.on('data', data => (stdout += data))
  child.stderr.on('data', data => {
    stderr += data
    if (!isSent && stderr.includes(after)) isSent = child.kill('SIGINT')
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, stdout, stderr }))
  })
}

export function localConfig(more = ''): string {
  return `
import { createStorage } from ${room('core')}
import { LocalDriver } from ${room('drivers/local')}
export const storage = createStorage({
  secret: 'a secret of the command line tests, long enough',
  baseUrl: '/files',
  backends: { local: new LocalDriver({ root: import.meta.dirname + '/files' }) },
})
${more}`
}
