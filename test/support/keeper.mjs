// The keeper: one small process per test run that owns the servers of that run. The runner holds the other end of
// its stdin, so when the runner is gone, in whatever way (kill -9 included), the pipe closes and the keeper
// stops the servers and removes the run's folder. Nothing has to poll and no process id can be mistaken.
//
//   node keeper.mjs RUN_DIR      with one JSON message per line on stdin:
//     { "spawn": { "name", "command", "args", "env"?, "uid"?, "gid"?, "signals", "log" } }   a server that is our child
//     { "atEnd": { "command", "args", "env"? } }                                       what else to run at the end
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'

const runDir = process.argv[2]
const servers = []
const atEnd = []
let _ending

const exited = child =>
  new Promise(resolve =>
    child.exitCode !== null || child.signalCode ? resolve() : child.once('exit', resolve),
  )
const wait = ms => new Promise(resolve => setTimeout(resolve, ms))

function start({ name, command, args, env, uid, gid, signals, log }) {
  const output = openSync(log, 'a')
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    uid,
    gid,
    cwd: runDir,
    stdio: ['ignore', output, output],
  })
  child.once('error', error => process.stdout.write(`${name}: ${error.message}\n`))
  child.once('exit', (code, signal) => process.stdout.write(`${name} ended (${signal ?? code})\n`))
  servers.push({ child, signals })
}

async function stop({ child, signals }) {
  for (const signal of [...signals, 'SIGKILL']) {
    child.kill(signal)
    await Promise.race([exited(child), wait(3000)])
    if (child.exitCode !== null || child.signalCode) return
  }
}

function run({ command, args, env }) {
  return exited(
    spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' }).once('error', () => {}),
  )
}

async function end() {
  await Promise.all([...servers.map(stop), ...atEnd.map(run)])
  await rm(runDir, { recursive: true, force: true, maxRetries: 5 })
  process.exit(0)
}

const lines = createInterface({ input: process.stdin })
lines.on('line', line => {
  const message = JSON.parse(line)
  if (message.spawn) start(message.spawn)
  if (message.atEnd) atEnd.push(message.atEnd)
})
const endOnce = () => {
  _ending ??= end()
}
lines.on('close', endOnce)
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, endOnce)
process.stdout.on('error', () => {}) // the runner is gone and reads no more
