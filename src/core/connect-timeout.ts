import { Agent, type AgentOptions } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import type { Socket } from 'node:net'

/** Keeps connections, and gives up those that do not stand in time. */
export interface BackendAgents {
  readonly plain: Agent
  readonly secure: SecureAgent
  destroy(): void
}

/** Downloads that wait for slow readers hold their sockets, so there must be many. */
const MAX_SOCKETS = 512

/**
 * Agents for `http:` and `https:` whose new connections stand, TLS included, within `timeout` milliseconds or fail with
 * `ETIMEDOUT`. Node has no such limit: by default Linux gives up after two minutes.
 */
export function agentsWithin(timeout: number): BackendAgents {
  const options: AgentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS }
  const plain = limit(new Agent(options), timeout, 'connect')
  const secure = limit(new SecureAgent(options), timeout, 'secureConnect')
  const destroy = () => {
    plain.destroy()
    secure.destroy()
  }
  return { plain, secure, destroy }
}

function limit<A extends Agent>(agent: A, timeout: number, stands: 'connect' | 'secureConnect'): A {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...args) => {
    const socket = connect(...args) as Socket | undefined
    if (socket === undefined) return socket
    const late = () =>
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }))
    const timer = setTimeout(late, timeout)
    const clear = () => clearTimeout(timer)
    socket.once(stands, clear).once('close', clear)
    // Where the answer is there already, node hears of no error of the rest of the body, which would end the process.
    socket.on('error', () => {})
    return socket
  }
  return agent
}
