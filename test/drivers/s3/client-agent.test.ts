import { once } from 'node:events'
import { Agent, type AgentOptions } from 'node:http'
import { type NetConnectOpts, connect as netConnect, type Socket } from 'node:net'
import { S3Client } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { Attempt } from '../../../src/core/attempt.js'
import { agentOf } from '../../../src/drivers/s3/client-agent.js'
import {
  type ConnectingAgent,
  HttpConnections,
  type Origin,
} from '../../../src/drivers/s3/http/connections.js'
import { answering, givenUp, OK, put, until } from './raw-server.js'

describe('an agent', () => {
  type Connecting = Agent['createConnection']
  const sameBut = (createConnection: Connecting) =>
    Object.assign(new Agent({ keepAlive: true }), { createConnection })
  const through = (origin: Origin, agent: Agent) => put(new HttpConnections(origin, agent as ConnectingAgent))

  it('may hand over its connection later', async () => {
    const server = await answering(OK)
    const agent = sameBut((options, done) => {
      setTimeout(() => done?.(null, netConnect(options as NetConnectOpts)), 10)
      return undefined
    })
    expect((await through(server.origin, agent)).status).toBe(200)
  })

  it('may hand over none', async () => {
    const { origin } = await answering(OK)
    const reason = new Error('The proxy refuses.')
    const failing: Connecting[] = [
      () => {
        throw reason
      },
      (_options, done) => {
        done?.(reason, undefined as never)
        return undefined
      },
    ]
    for (const createConnection of failing)
      await expect(through(origin, sameBut(createConnection))).rejects.toBe(reason)
  })

  it('that hands over its connection too late keeps it for the next request', async () => {
    const server = await answering(OK)
    let handOver = () => {}
    const agent = sameBut((options, done) => {
      handOver = () => done?.(null, netConnect(options as NetConnectOpts))
      return undefined
    })
    const connections = new HttpConnections(server.origin, agent as ConnectingAgent)
    const attempt = new Attempt()
    const first = put(connections, attempt)
    attempt.stop(givenUp('late'))
    await expect(first).rejects.toThrow('late')
    handOver()
    expect((await put(connections)).status).toBe(200)
    expect(server.requests).toHaveLength(1)
  })

  it('that hands over its connection too late keeps no process alive by it', async () => {
    const sockets: Socket[] = []
    const { origin } = await answering(OK)
    let handOver = () => {}
    const agent = sameBut((options, done) => {
      handOver = () => {
        const socket = netConnect(options as NetConnectOpts)
        sockets.push(socket)
        done?.(null, socket)
      }
      return undefined
    })
    const attempt = new Attempt()
    const late = put(new HttpConnections(origin, agent as ConnectingAgent), attempt)
    attempt.stop(givenUp('late'))
    await expect(late).rejects.toThrow('late')
    handOver()
    const [socket] = sockets as [Socket]
    await until(() => !socket.connecting)
    expect((socket as Socket & { _handle: { hasRef(): boolean } })._handle.hasRef()).toBe(false)
  })

  it('that never hands over a connection takes no room from those who wait', async () => {
    const server = await answering(OK)
    let asked = 0
    const agent = sameBut(options => (asked++ === 0 ? undefined : netConnect(options as NetConnectOpts)))
    agent.maxSockets = 1
    const connections = new HttpConnections(server.origin, agent as ConnectingAgent)
    const attempt = new Attempt()
    const [never, waiting] = [put(connections, attempt), put(connections)]
    attempt.stop(givenUp('never'))
    await expect(never).rejects.toThrow('never')
    expect((await waiting).status).toBe(200)
  })

  it('that hands over more connections than there may be has those closed that nobody waits for', async () => {
    const server = await answering(OK)
    const late: (() => Socket)[] = []
    const agent = sameBut((options, done) => {
      late.push(() => {
        const socket = netConnect(options as NetConnectOpts)
        done?.(null, socket)
        return socket
      })
      return undefined
    })
    agent.maxSockets = 1
    const connections = new HttpConnections(server.origin, agent as ConnectingAgent)
    const attempt = new Attempt()
    const [first, second] = [put(connections, attempt), put(connections)]
    attempt.stop(givenUp('late'))
    await expect(first).rejects.toThrow('late')
    const [ofFirst, ofSecond] = late.map(handOver => handOver())
    expect([(await second).status, ofFirst?.destroyed, ofSecond?.destroyed]).toEqual([200, true, false])
  })

  it.each([
    ['is closed already', async (socket: Socket) => once(socket.destroy(), 'close').then(() => socket)],
    ['is about to close', async (socket: Socket) => socket.destroy(new Error('closed by the agent'))],
    ['is none', async (socket: Socket) => Promise.resolve(socket.destroy()).then(() => ({}))],
  ])('whose connection %s makes the request fail, and no other', async (_, spoil) => {
    const server = await answering(OK)
    let asked = 0
    const agent = sameBut((options, done) => {
      const socket = netConnect(options as NetConnectOpts)
      if (asked++ > 0) return socket
      void spoil(socket).then(spoilt => done?.(null, spoilt as Socket))
      return undefined
    })
    agent.maxSockets = 1
    const connections = new HttpConnections(server.origin, agent as ConnectingAgent)
    const answers = await Promise.allSettled([put(connections), put(connections)])
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })

  it('that connects no more fails all who wait, however many', async () => {
    const { origin } = await answering('nonsense')
    let asked = 0
    const agent = sameBut(options => {
      if (asked++ === 0) return netConnect(options as NetConnectOpts)
      throw new Error('no more')
    })
    agent.maxSockets = 1
    const connections = new HttpConnections(origin, agent as ConnectingAgent)
    const answers = await Promise.allSettled(Array.from({ length: 20_000 }, () => put(connections)))
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(20_000)
  })

  const clientWith = (httpAgent: Agent) =>
    new S3Client({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1', requestHandler: { httpAgent } })

  it('of node is used, and one that only connects in its own way', async () => {
    class Proxied extends Agent {
      override createConnection(...args: Parameters<Connecting>) {
        return super.createConnection(...args)
      }
    }
    for (const agent of [new Agent(), new Proxied()])
      expect(await agentOf(clientWith(agent), 'http:')).toBe(agent)
  })

  it('that serves requests in its own way is not used', async () => {
    class Own extends Agent {
      addRequest() {}
    }
    const proxied = Object.assign(new Agent(), { options: { proxyEnv: {} } })
    const local = new Agent({ socketPath: '/run/proxy.sock' } as AgentOptions)
    for (const agent of [new Own(), proxied, local])
      expect(await agentOf(clientWith(agent), 'http:')).toBeUndefined()
  })
})
