// The application that is measured: Express, Multer, and one of the engines. Linux only: it reads /proc.
//
// Runs in a process of its own (child_process.fork), fresh for every run. Says { port } when it listens. Answers
// { ask: 'start' } and { ask: 'end' } with its processor time in seconds and its resident memory in MiB; `start` also
// sets the peak of the memory back (proc_pid_clear_refs(5)).
import { readFileSync, writeFileSync } from 'node:fs'
import express from 'express'
import multer from 'multer'
import { engines } from './engines.mjs'

const [name, context] = process.argv.slice(2)
const { before, storage, after, sha256Of } = await engines[name].make(JSON.parse(context))

const app = express()
if (before !== undefined) app.use(before)
const upload = multer({ storage })
app.post('/', upload.single('file'), async (req, res) => {
  await after?.(req)
  res.json({ sha256: sha256Of?.(req) })
})
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
server.keepAliveTimeout = 600_000

/** A line of /proc/self/status, in MiB. */
function memory(line) {
  const kib = new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(kib) / 1024
}

process.on('message', ({ ask }) => {
  // Without a collection: V8 would then collect all the more often, as it thinks that the heap need be no larger.
  if (ask === 'start') writeFileSync('/proc/self/clear_refs', '5')
  const { user, system } = process.cpuUsage()
  process.send({ cpu: (user + system) / 1e6, resident: memory('VmRSS'), peak: memory('VmHWM') })
})
process.once('disconnect', () => process.exit())
