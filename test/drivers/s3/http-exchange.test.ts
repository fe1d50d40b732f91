import { Agent } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createSecureServer } from 'node:tls'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { Attempt } from '../../../src/core/attempt.js'
import { exchange } from '../../../src/drivers/s3/http-exchange.js'
import { afterThisTest } from '../../support/ends.js'
import { selfSigned } from '../../support/self-signed.js'

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

/** Says that all is well as soon as the first bytes come, and is gone before the others. */
async function leavingServer(protocol: 'http:' | 'https:', headers: string): Promise<number> {
  const leave = (socket: Socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        socket.pause()
        socket.write(`HTTP/1.1 200 OK\r\n${headers}\r\n`, () => socket.destroy())
      })
  }
  const { key, certificate } = selfSigned()
  const server =
    protocol === 'http:' ? createServer(leave) : createSecureServer({ key, cert: certificate }, leave)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => server.close())
  return (server.address() as AddressInfo).port
}

it.each([
  ['http:', 'Content-Length: 0\r\n'],
  ['http:', 'Content-Length: 0\r\nConnection: close\r\n'],
  ['http:', 'Connection: close\r\n'],
  ['https:', 'Content-Length: 0\r\n'],
  ['https:', 'Content-Length: 0\r\nConnection: close\r\n'],
  ['https:', 'Connection: close\r\n'],
] as const)(
  'believes in no success of a server that is gone before it has the body, over %s with %j',
  async (protocol, answered) => {
    const port = await leavingServer(protocol, answered)
    const agent =
      protocol === 'http:'
        ? new Agent({ keepAlive: true })
        : new SecureAgent({ keepAlive: true, rejectUnauthorized: false })
    afterThisTest(() => agent.destroy())
    const to = { protocol, hostname: '127.0.0.1', port: String(port), agent }
    const body = Buffer.alloc(16 * MIB)
    const headers = ['Content-Length', String(body.length), 'Host', `127.0.0.1:${port}`]
    const request = { method: 'PUT', path: '/part', headers, chunks: [body], idleTimeout: 10_000 }
    // And nothing of it ends the process: vitest fails for an error that nobody hears.
    await expect(exchange(to, request, new Attempt())).rejects.toMatchObject({
      code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/),
    })
  },
)

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
