import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root, run, tempFolder } from '../tooling/tools.js'

/** An application's folder, in which the built command runs. */
export interface Workshop {
  readonly folder: string
  write(name: string, text: string): void
  run(...args: string[]): ReturnType<typeof run>
  runIn(below: string, ...args: string[]): ReturnType<typeof run>
  remove(): void
}

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
  const command = path.join(root, 'dist', 'cli', 'main.js')
  const runIn = (below: string, ...args: string[]) =>
    run(process.execPath, [command, ...args], path.join(folder, below))
  return { folder, remove, write, runIn, run: (...args) => runIn('.', ...args) }
}

export function localConfig(more = ''): string {
  return `
import { createStorage } from ${room('core')}
import { LocalDriver } from ${room('drivers/local')}
export const storage = createStorage({
  secret: 'a secret of the command line tests, long enough',
  baseUrl: '/files',
  backends: { local: new LocalDriver({ root: 'files' }) },
})
${more}`
}
