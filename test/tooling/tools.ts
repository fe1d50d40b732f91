import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** How a program ended, and what it said. */
export interface Answer {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a Node program, or npm, to its end; a failure is an answer, not an exception. */
export function run(
  file: string,
  args: string[],
  cwd = root,
  env: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const shell = process.platform === 'win32' && file === 'npm'
    const child = spawn(file, args, {
      cwd,
      shell,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', data => (stdout += data))
    child.stderr.on('data', data => (stderr += data))
    child.once('error', reject)
    child.once('close', code => resolve({ code, stdout, stderr }))
  })
}

/** Runs the command of an installed package. */
export function runTool(
  packageName: string,
  command: string,
  args: string[],
  cwd = root,
  env: Record<string, string> = {},
) {
  const folder = path.join(root, 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  return run(process.execPath, [path.join(folder, bin[command]), ...args], cwd, env)
}

/** A temporary folder under its real name, and its removal. */
export function tempFolder(purpose: string) {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), `tenant-files-${purpose}-`)))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** The rooms in src as `core`, `drivers/s3`, …: folders that hold an index.ts. */
export function rooms(): string[] {
  const names = readdirSync(path.join(root, 'src')).flatMap(name =>
    name === 'drivers'
      ? readdirSync(path.join(root, 'src', name)).map(driver => `${name}/${driver}`)
      : [name],
  )
  return names.filter(name => existsSync(path.join(root, 'src', name, 'index.ts'))).sort()
}

/** All files below a folder of the repository, without what is built or installed. */
export function filesBelow(folder: string): string[] {
  const start = path.join(root, folder)
  if (!existsSync(start)) return []
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(path.relative(root, entry.parentPath), entry.name).replaceAll(path.sep, '/'))
    .filter(file => !/(^|\/)(dist|node_modules|var)\//.test(file))
    .sort()
}

/** A file of the repository. */
export function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8')
}

/** The rooms as their import, and the page that describes each. */
export const documented = rooms()
  .filter(room => room !== 'cli')
  .map(room => ({
    room,
    specifier: room === 'core' ? 'tenant-files' : `tenant-files/${room}`,
    page: `${room.startsWith('drivers/') ? 'drivers' : room}.md`,
  }))
