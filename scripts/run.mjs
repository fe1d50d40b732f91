// How the other scripts start a program: the tool's own JavaScript under this Node, so that nothing depends on
// a shell, on PATH or on the `.cmd` files of Windows.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** The file behind a command of an installed package: `bin('typescript', 'tsc')`. */
export function bin(packageName, command = packageName) {
  const folder = path.join(root, 'node_modules', packageName)
  const entry = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).bin
  return path.join(folder, typeof entry === 'string' ? entry : entry[command])
}

/** npm's own file: the one that runs this script, or the one that came with Node. */
export function npm() {
  const besideNode = ['../lib/node_modules', 'node_modules'].map(folder =>
    path.join(path.dirname(process.execPath), folder, 'npm/bin/npm-cli.js'),
  )
  const found = [process.env.npm_execpath, ...besideNode].find(file => file && existsSync(file))
  if (!found) throw new Error('npm was not found; start this script through `npm run`')
  return found
}

/** Runs a program of Node's to its end with this terminal and answers with its exit code. */
export async function runHere(args, env = {}) {
  const end = new AbortController()
  // Ctrl-C reaches the program by itself; this one waits for it. Other signals have to be handed on.
  const signals = { SIGINT: () => {}, SIGTERM: () => end.abort(), SIGHUP: () => end.abort() }
  for (const [signal, handler] of Object.entries(signals)) process.on(signal, handler)
  try {
    return (await run(args, { env, stdio: 'inherit', signal: end.signal })).code
  } finally {
    for (const [signal, handler] of Object.entries(signals)) process.off(signal, handler)
  }
}

/** Runs a program of Node's to its end, or to its time limit, and answers with its exit code and output. */
export function run(
  args,
  { cwd = root, env = {}, stdio = ['ignore', 'pipe', 'pipe'], timeout, signal } = {},
) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...env }, stdio, timeout })
    let output = ''
    child.stdout?.on('data', data => (output += data))
    child.stderr?.on('data', data => (output += data))
    signal?.addEventListener('abort', () => child.kill())
    child.once('error', reject)
    child.once('close', (code, endedBy) => {
      if (endedBy) output += `\nended by ${endedBy}${timeout ? ` (time limit ${timeout / 1000} s)` : ''}\n`
      resolve({ code: code ?? 1, output })
    })
  })
}
