import { Agent } from 'node:http'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { Attempt } from '../../../src/core/attempt.js'
import { exchange } from '../../../src/drivers/s3/http-exchange.js'
import { afterThisTest } from '../../support/ends.js'

const MIB = 1024 * 1024
const BODY = Buffer.alloc(8 * MIB, 'x')
const REQUESTS = 60

/** Reads every body to its end before it answers, in a thread of its own, so that it is quick while this one is busy. */
const SERVER = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:http').createServer((req, res) => req.resume().on('end', () => res.end()))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`

it('believes in success where the next request has its connection already, and the process is busy', async () => {
  const server = new Worker(SERVER, { eval: true })
  afterThisTest(() => server.terminate())
  const port = await new Promise<number>(resolve => server.once('message', resolve))
  const agent = new Agent({ keepAlive: true, maxSockets: 2 })
  afterThisTest(() => agent.destroy())
  const busy = setInterval(() => block(10), 1)
  afterThisTest(() => clearInterval(busy))

  const to = { protocol: 'http:', hostname: '127.0.0.1', port: String(port), agent } as const
  const headers = ['Content-Length', String(BODY.length), 'Host', `127.0.0.1:${port}`]
  const request = { method: 'PUT', path: '/part', headers, chunks: [BODY], idleTimeout: 10_000 }
  const answers = await Promise.allSettled(
    Array.from({ length: REQUESTS }, () => exchange(to, request, new Attempt())),
  )
  expect(answers.filter(({ status }) => status === 'rejected')).toEqual([])
})

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
