#!/usr/bin/env node
import process from 'node:process'
import { runCli } from './program.js'
import { Screen } from './screen.js'

const interrupt = new AbortController()
// The first one ends the work in good order; the second one is node's own, and ends the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort())

const { stdout, stderr } = process
const surroundings = { folder: process.cwd(), screen: new Screen(stdout, stderr), signal: interrupt.signal }
// Ends by itself: a handle that the application left open must not keep the command running for ever.
process.exit(await runCli(process.argv.slice(2), surroundings))
