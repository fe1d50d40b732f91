import { Agent, type AgentOptions } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Attempt } from '../../../src/core/attempt.js'
import { StorageError } from '../../../src/core/errors.js'
import {
  type ConnectingAgent,
  HttpConnections,
  type Origin,
} from '../../../src/drivers/s3/http/connections.js'
import type { HttpRequest } from '../../../src/drivers/s3/http/request.js'
import { afterThisTest } from '../../support/ends.js'

export interface Seen {
  /** Connections that were made. */
  connections: number
  /** Requests, as text. */
  requests: string[]
}

/** Answers each request with the next of these texts, the last one again and again; undefined is no answer. */
export async function answering(
  ...answers: readonly (string | undefined)[]
): Promise<Seen & { origin: Origin }> {
  const seen: Seen = { connections: 0, requests: [] }
  const server = createServer(socket => {
    seen.connections++
    socket
      .on('error', () => {})
      .on('data', bytes => {
        const answer = answers[Math.min(seen.requests.push(String(bytes)), answers.length) - 1]
        if (answer !== undefined) socket.write(answer)
      })
  })
  return Object.assign(seen, { origin: await listening(server) })
}

export async function listening(server: Server): Promise<Origin> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  return { protocol: 'http:', hostname: '127.0.0.1', port: String(port) }
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
export const PUT: HttpRequest = {
  method: 'PUT',
  path: '/a',
  headers: ['host', 'localhost', 'content-length', '1'],
  chunks: [Buffer.from('x')],
  idleTimeout: undefined,
}

export function connect(origin: Origin, options: AgentOptions = {}): HttpConnections {
  const connections = new HttpConnections(
    origin,
    new Agent({ keepAlive: true, ...options }) as ConnectingAgent,
  )
  afterThisTest(() => connections.close())
  return connections
}

export const givenUp = (message: string) => new StorageError('ERR_UPLOAD_ABORTED', message)

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

export const put = (connections: HttpConnections, attempt = new Attempt()) =>
  connections.exchange(PUT, attempt)
