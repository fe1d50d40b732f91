import { AsyncLocalStorage } from 'node:async_hooks'
import { Agent, type AgentOptions } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createSecureServer } from 'node:tls'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Attempt } from '../../../../src/core/attempt.js'
import { type ConnectingAgent, HttpConnections } from '../../../../src/drivers/s3/http/connections.js'
import { afterThisTest } from '../../../support/ends.js'
import { selfSigned } from '../../../support/self-signed.js'
import { answering, connect, givenUp, listening, OK, PUT, put, until } from '../raw-server.js'

const MIB = 1024 * 1024
const BODY = Buffer.alloc(8 * MIB, 'x')
const REQUESTS = 60
/** Milliseconds: several times what a server needs here for the bytes that the kernels hold. */
const LONGEST_PAUSE = 1500

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

  const connections = new HttpConnections(
    { protocol: 'http:', hostname: '127.0.0.1', port: String(port) },
    agent as ConnectingAgent,
  )
  const headers = ['Content-Length', String(BODY.length), 'Host', `127.0.0.1:${port}`]
  const request = { method: 'PUT', path: '/part', headers, chunks: [BODY], idleTimeout: 10_000 }
  const answers = await Promise.allSettled(
    Array.from({ length: REQUESTS }, () => connections.exchange(request, new Attempt())),
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
    const connections = new HttpConnections(
      { protocol, hostname: '127.0.0.1', port: String(port) },
      agent as ConnectingAgent,
    )
    const body = Buffer.alloc(16 * MIB)
    const headers = ['Content-Length', String(body.length), 'Host', `127.0.0.1:${port}`]
    const request = { method: 'PUT', path: '/part', headers, chunks: [body], idleTimeout: 10_000 }
    // And nothing of it ends the process: vitest fails for an error that nobody hears.
    await expect(connections.exchange(request, new Attempt())).rejects.toMatchObject({
      code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/),
    })
  },
)

describe('connections to S3', () => {
  it('carry one request after the other', async () => {
    const server = await answering(OK)
    const connections = connect(server.origin)
    for (let i = 0; i < 3; i++) expect(await put(connections)).toMatchObject({ status: 200, body: '' })
    expect(server).toMatchObject({
      connections: 1,
      requests: Array(3).fill(
        'PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx',
      ),
    })
  })

  it('are as many as the agent may have, and requests wait in turn', async () => {
    const server = await answering(OK)
    const connections = connect(server.origin, { maxSockets: 2 })
    const done: number[] = []
    await Promise.all(Array.from({ length: 9 }, (_, i) => put(connections).then(() => done.push(i))))
    expect([server.connections, done]).toEqual([2, [0, 1, 2, 3, 4, 5, 6, 7, 8]])
  })

  it('never carry a request that was given up while it waited', async () => {
    const server = await answering(undefined, OK)
    const connections = connect(server.origin, { maxSockets: 1 })
    const [first, second] = [new Attempt(), new Attempt()]
    const answers = [put(connections, first), put(connections, second), put(connections)]
    await until(() => server.requests.length === 1)
    for (const [i, attempt] of [second, first].entries()) attempt.stop(givenUp(`${i}`))
    expect((await Promise.allSettled(answers)).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(server).toMatchObject({ connections: 2, requests: { length: 2 } })
  })

  it('make room for those who wait when they break', async () => {
    const server = await answering('nonsense', OK)
    const connections = connect(server.origin, { maxSockets: 1 })
    const answers = await Promise.allSettled([put(connections), put(connections)])
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(server.connections).toBe(2)
  })

  it.each([
    [
      'the answer says that it is the last',
      ['HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ],
    [
      'the server keeps it for no longer than a request takes',
      [OK.replace('\r\n', '\r\nKeep-Alive: timeout=1\r\n')],
    ],
    ['more was answered than was asked for', [OK + OK.replace('200', '201')]],
  ])('are not used again where %s', async (_, answers) => {
    const server = await answering(...answers)
    const connections = connect(server.origin)
    for (let i = 0; i < 2; i++) expect((await put(connections)).status).toBe(200)
    expect(server.connections).toBe(2)
  })

  it('are not used again where the agent keeps none', async () => {
    const server = await answering(OK)
    const connections = connect(server.origin, { keepAlive: false })
    for (let i = 0; i < 2; i++) await put(connections)
    expect(server.connections).toBe(2)
    expect(server.requests[0]).toContain('\r\nconnection: close\r\n')
  })

  it.each([
    ['ends', (socket: Socket) => socket.end()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['says something on', (socket: Socket) => socket.write(OK)],
  ])('are not used again where the server %s one that waits', async (_, act) => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {}).on('data', () => socket.write(OK))
    })
    const connections = connect(await listening(server))
    await put(connections)
    const [first] = sockets as [Socket]
    act(first)
    await until(() => first.destroyed)
    await sleep(20)
    expect((await put(connections)).status).toBe(200)
    expect(sockets).toHaveLength(2)
  })

  it('keep no process alive while they wait', async () => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket.on('data', () => {}))
    })
    const connections = connect(await listening(server))
    const answer = put(connections)
    await until(() => sockets.length === 1)
    const kept = () => process.getActiveResourcesInfo().filter(kind => kind.startsWith('TCPSocket')).length
    const during = kept()
    sockets[0]?.write(OK)
    await answer
    expect(kept()).toBe(during - 1)
  })

  it('are closed with the driver, those in use when they are free', async () => {
    const server = await answering(OK, OK, undefined, OK)
    const connections = connect(server.origin)
    await Promise.all([put(connections), put(connections)])
    const attempt = new Attempt()
    const last = put(connections, attempt)
    await until(() => server.requests.length === 3)
    connections.close()
    attempt.stop(givenUp('enough'))
    await expect(last).rejects.toThrow('enough')
    expect((await put(connections)).status).toBe(200)
    expect(server.connections).toBe(3)
  })

  it.each([
    ['a header', { ...PUT, headers: ['host', 'a\r\nx-amz-acl: public-read'] }],
    ['a path', { ...PUT, path: '/a HTTP/1.1\r\nx: y' }],
    ['a header that is no latin1', { ...PUT, headers: ['host', '\u20ac'] }],
  ])('carry no second header or request in the guise of %s', async (_, request) => {
    const server = await answering(OK)
    const connections = connect(server.origin)
    await expect(connections.exchange(request, new Attempt())).rejects.toMatchObject({
      code: 'ERR_INVALID_CHAR',
    })
    expect((await put(connections)).status).toBe(200)
    expect(server.requests).toHaveLength(1)
  })

  it('end where they show no progress', async () => {
    const server = await answering(undefined)
    const request = { ...PUT, idleTimeout: 50 }
    await expect(connect(server.origin).exchange(request, new Attempt())).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    })
  })

  it.each(['http:', 'https:'])('take as long as the server goes on reading, over %s', async protocol => {
    const { key, certificate } = selfSigned()
    const chunks = Array.from({ length: 8 }, () => BODY)
    const length = chunks.length * BODY.length
    const duration = 2 * LONGEST_PAUSE
    const readSlowly = (socket: Socket) => {
      const begun = performance.now()
      let read = 0
      socket
        .on('error', () => {})
        .on('data', bytes => {
          read += bytes.length
          const early = begun + (read / length) * duration - performance.now()
          if (early > 0) {
            socket.pause()
            setTimeout(() => socket.resume(), early)
          }
          if (read > length) socket.write(OK)
        })
    }
    const server =
      protocol === 'http:'
        ? createServer(readSlowly)
        : createSecureServer({ key, cert: certificate }, readSlowly)
    const origin = { ...(await listening(server)), protocol }
    const agent = protocol === 'http:' ? new Agent() : new SecureAgent({ rejectUnauthorized: false })
    const request = {
      ...PUT,
      headers: ['host', 'localhost', 'content-length', `${length}`],
      chunks,
      idleTimeout: LONGEST_PAUSE,
    }
    const begun = performance.now()
    const answer = new HttpConnections(origin, agent as ConnectingAgent).exchange(request, new Attempt())
    expect((await answer).status).toBe(200)
    expect(performance.now() - begun).toBeGreaterThan(LONGEST_PAUSE)
  })

  it('are not used again where the server ended them while it read on', async () => {
    const { key, certificate } = selfSigned()
    let made = 0
    const server = createSecureServer({ key, cert: certificate, allowHalfOpen: true }, socket => {
      made++
      socket
        .on('error', () => {})
        .once('data', () => socket.end(OK))
        .resume()
    })
    const origin = { ...(await listening(server)), protocol: 'https:' }
    const agent = new SecureAgent({
      keepAlive: true,
      rejectUnauthorized: false,
      allowHalfOpen: true,
    } as AgentOptions)
    const connections = new HttpConnections(origin, agent as ConnectingAgent)
    const headers = ['host', 'localhost', 'content-length', `${BODY.length}`]
    const request = { ...PUT, headers, chunks: [BODY], idleTimeout: 1_000 }
    for (let i = 0; i < 2; i++) expect((await connections.exchange(request, new Attempt())).status).toBe(200)
    expect(made).toBe(2)
  })

  it('are probed by the kernel while they wait, as those of the agent are', async () => {
    const server = await answering(OK)
    const probed: unknown[] = []
    class Probing extends Agent {
      override createConnection(...args: Parameters<Agent['createConnection']>) {
        const socket = super.createConnection(...args) as Socket
        const { setKeepAlive } = socket
        socket.setKeepAlive = (...how) => {
          probed.push(how)
          return setKeepAlive.apply(socket, how)
        }
        return socket
      }
    }
    for (const options of [{}, { keepAliveMsecs: 5_000 }])
      await put(
        new HttpConnections(
          server.origin,
          new Probing({ keepAlive: true, ...options }) as Agent as ConnectingAgent,
        ),
      )
    expect(probed).toEqual([
      [true, 1_000],
      [true, 5_000],
    ])
  })

  it('wait no longer than the agent lets its own wait', async () => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {}).on('data', () => setTimeout(() => socket.write(OK), 200))
    })
    const connections = connect(await listening(server), { timeout: 100 })
    // A request may take longer, also on a connection that has waited.
    for (let i = 0; i < 2; i++) expect((await put(connections)).status).toBe(200)
    expect(sockets).toHaveLength(1)
    await until(() => sockets[0]?.destroyed ?? false)
  })

  it('are made outside of the contexts of requests, which they would keep', async () => {
    const server = await answering(OK)
    const tenants = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const agent = new Agent({ keepAlive: true })
    const { createConnection } = agent
    agent.createConnection = (...args) => {
      seen.push(tenants.getStore())
      return createConnection.apply(agent, args)
    }
    const own = new HttpConnections(server.origin, agent as ConnectingAgent)
    await tenants.run('acme', () => put(own))
    expect(seen).toEqual([undefined])
  })

  it('resume their TLS session', async () => {
    const { key, certificate } = selfSigned()
    const resumed: boolean[] = []
    const server = createSecureServer({ key, cert: certificate }, socket => {
      resumed.push(socket.isSessionReused())
      socket
        .on('error', () => {})
        .on('data', () => socket.end(`${OK.replace('\r\n', '\r\nConnection: close\r\n')}`))
    })
    const origin = { ...(await listening(server)), protocol: 'https:' }
    const agent = new SecureAgent({ keepAlive: true, rejectUnauthorized: false })
    const connections = new HttpConnections(origin, agent as ConnectingAgent)
    for (let i = 0; i < 2; i++) await put(connections)
    expect(resumed).toEqual([false, true])
  })

  it.each([
    ['a server breaks the connection over it', {}, 'once'],
    ['the agent keeps none', { maxCachedSessions: 0 }, 'never'],
  ] as const)('do not resume their TLS session where %s', async (_, options, offered) => {
    const { key, certificate } = selfSigned()
    const behind = createSecureServer({ key, cert: certificate }, socket => {
      socket
        .on('error', () => {})
        .on('data', () => socket.end(`${OK.replace('\r\n', '\r\nConnection: close\r\n')}`))
    })
    const { port } = await listening(behind)
    // A session makes the first message longer.
    const lengths: number[] = []
    const front = createServer(socket => {
      socket
        .on('error', () => {})
        .once('data', hello => {
          lengths.push(hello.length)
          if (hello.length > (lengths[0] ?? 0)) return socket.resetAndDestroy()
          const through = netConnect(Number(port), '127.0.0.1').on('error', () => {})
          through.write(hello)
          socket.pipe(through).pipe(socket)
        })
    })
    const origin = { ...(await listening(front)), protocol: 'https:' }
    const agent = new SecureAgent({ keepAlive: true, rejectUnauthorized: false, ...options })
    const connections = new HttpConnections(origin, agent as ConnectingAgent)
    const statuses: unknown[] = []
    for (let i = 0; i < 3; i++)
      statuses.push(
        await put(connections).then(
          ({ status }) => status,
          () => 'broken',
        ),
      )
    expect(statuses).toEqual(offered === 'once' ? [200, 'broken', 200] : [200, 200, 200])
  })
})

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
