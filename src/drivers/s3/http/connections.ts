import { AsyncResource } from 'node:async_hooks'
import type { Agent } from 'node:http'
import type { AgentOptions } from 'node:https'
import { isIP, Socket } from 'node:net'
import type { Attempt } from '../../../core/attempt.js'
import { type HttpAnswer, hangUp } from './answer.js'
import { type ConnectionOwner, type Exchange, HttpConnection } from './connection.js'
import type { HttpRequest, Persistence } from './request.js'

/** An agent of node, and how it was told to connect; no page of node's tells of `options`, but every agent has them. */
export interface ConnectingAgent extends Agent {
  readonly options: AgentOptions
}

/** As URL has them. */
export interface Origin {
  readonly protocol: string
  readonly hostname: string
  readonly port: string
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/**
 * The connections to one server. They are made as the agent makes its own (certificates, time-outs, proxies), as many
 * as it may have, and kept as it keeps them; but they are not the agent's.
 */
export class HttpConnections implements ConnectionOwner {
  readonly persistence: Persistence
  readonly restTime: number
  readonly #agent: ConnectingAgent
  readonly #origin: Origin
  readonly #free: HttpConnection[] = []
  readonly #waiting = new Set<Exchange>()
  /** Connections are made in that of the first request, lest each keep the one of its own for as long as it lives. */
  readonly #context: AsyncResource
  /** Those on their way included. */
  #count = 0
  #isClosed = false
  /** Spares the next connection a part of its handshake (RFC 8446, section 2.2). */
  #session: Buffer | undefined

  constructor(origin: Origin, agent: ConnectingAgent) {
    this.#context = new AsyncResource('S3_CONNECTIONS')
    this.#origin = origin
    this.#agent = agent
    this.persistence = agent.options.keepAlive ? 'keep-alive' : 'close'
    this.restTime = agent.options.timeout || 0
  }

  /** Sends a request and reads the answer. When it rejects, stopped or otherwise, its connection is gone. */
  exchange(request: HttpRequest, attempt: Attempt): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      // One that was given up while its credentials were on their way must not be sent after all.
      if (attempt.reason !== undefined) throw attempt.reason
      this.#serve({ request, attempt, resolve, reject })
    })
  }

  free(connection: HttpConnection): void {
    const { maxFreeSockets } = this.#agent
    const next = connection.isUsable ? this.#next() : undefined
    if (next !== undefined) connection.send(next)
    else if (this.#isClosed || !connection.isUsable || this.#free.length >= maxFreeSockets) connection.close()
    else {
      connection.rest()
      this.#free.push(connection)
    }
  }

  gone(connection: HttpConnection): void {
    const at = this.#free.indexOf(connection)
    if (at >= 0) this.#free.splice(at, 1)
    this.#left()
  }

  /** Closes the connections that nobody uses, and the others when they are free. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#free) connection.close()
  }

  #serve(exchange: Exchange): void {
    const connection = this.#takeFree()
    if (connection !== undefined) connection.send(exchange)
    else if (this.#hasRoom) this.#open(exchange)
    else this.#wait(exchange)
  }

  get #hasRoom(): boolean {
    return this.#count < Math.min(this.#agent.maxSockets, this.#agent.maxTotalSockets)
  }

  /** The one that was used last: the others grow old, and the server ends them. */
  #takeFree(): HttpConnection | undefined {
    for (;;) {
      const connection = this.#free.pop()
      if (connection === undefined || connection.isUsable) return connection
      connection.close()
    }
  }

  #wait(exchange: Exchange): void {
    this.#waiting.add(exchange)
    exchange.attempt.onStop = reason => {
      this.#waiting.delete(exchange)
      exchange.reject(reason)
    }
  }

  #next(): Exchange | undefined {
    for (const exchange of this.#waiting) {
      this.#waiting.delete(exchange)
      return exchange
    }
    return undefined
  }

  #open(exchange: Exchange): void {
    const { attempt, reject } = exchange
    this.#count++
    let isAwaited = true
    // Nobody knows whether the agent hands over anything any more, so others have the room.
    attempt.onStop = reason => {
      isAwaited = false
      reject(reason)
      this.#left()
    }
    this.#connect((error, socket) => {
      if (!isAwaited) return this.#late(socket)
      isAwaited = false
      attempt.onStop = undefined
      if (socket !== undefined) return this.#adopt(socket).send(exchange)
      reject(error)
      // Those who wait are not served in each other's calls: they may be thousands.
      queueMicrotask(() => this.#left())
    })
  }

  /** An agent gives its socket back, or gives it to the callback; node's own calls that as well, when it stands. */
  #connect(done: (error: unknown, socket?: Socket) => void): void {
    let isDone = false
    const once = (error: unknown, made?: unknown) => {
      if (isDone) return
      isDone = true
      if (error) done(error)
      else if (!(made instanceof Socket)) done(new Error('The agent makes no connection.'))
      else if (made.destroyed) done(made.on('error', () => {}).errored ?? hangUp())
      else done(undefined, made)
    }
    try {
      const made = this.#context.runInAsyncScope(() => this.#agent.createConnection(this.#optionsOf(), once))
      if (made) once(undefined, made)
    } catch (error) {
      once(error)
    }
  }

  /** Of a request that was given up meanwhile. */
  #late(socket: Socket | undefined): void {
    if (socket === undefined) return
    if (!this.#hasRoom) return void socket.on('error', () => {}).destroy()
    this.#count++
    this.free(this.#adopt(socket))
  }

  #adopt(socket: Socket): HttpConnection {
    const { keepAliveMsecs = 1_000, maxCachedSessions } = this.#agent.options
    socket.setKeepAlive(true, keepAliveMsecs)
    if (maxCachedSessions !== 0) {
      socket
        .on('session', session => {
          this.#session = session
        })
        // It may have been the session that the server did not like.
        .on('error', () => {
          this.#session = undefined
        })
    }
    return new HttpConnection(socket, this)
  }

  /** One connection less: there is room for whoever waits. */
  #left(): void {
    this.#count--
    const next = this.#next()
    if (next !== undefined) this.#serve(next)
  }

  #optionsOf() {
    const { protocol, hostname, port } = this.#origin
    const host = hostname.replace(/^\[|\]$/g, '')
    return {
      host,
      port: Number(port) || PORTS[protocol],
      // An address is no name that a server could be asked for (RFC 6066, section 3).
      servername: isIP(host) === 0 ? host : '',
      session: this.#session,
      ...this.#agent.options,
      // Of a socket that waits; here a request has a time-out, if any.
      timeout: undefined,
    }
  }
}
