#!/usr/bin/env node
import process from 'node:process'
import { runCli } from './program.js'
import { Screen } from './screen.js'

const interrupt = new AbortController()
// The first one ends the work in good order; the second one is node's own, and ends the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort())

const { stdout, stderr } = process
// Whoever read the result has seen enough: `tenant-files reconcile | head`. The work goes on.
for (const stream of [stdout, stderr]) {
  stream.on('error', error => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  })
}
const screen = new Screen(stdout, stderr)
const exitCode = await runCli(process.argv.slice(2), {
  ...{ folder: process.cwd(), screen, signal: interrupt.signal },
  rooms: { typeorm: () => import('../typeorm/index.js'), migrate: () => import('../migrate/index.js') },
})
await screen.flush()
// Ends by itself: a handle that the application left open must not keep the command running for ever.
process.exit(exitCode)
