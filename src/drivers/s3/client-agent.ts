import { Agent } from 'node:http'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ConnectingAgent } from './http/connections.js'

/** Ends in a name that belongs to nobody (RFC 2606, section 2), should a handler send it after all. */
const NOWHERE = 'nowhere.invalid'

/**
 * The agent that the client itself sends with, for its certificates, its time-outs and its proxy. Undefined for a client
 * whose handler is not the SDK's own for node, or that is set up otherwise: then we cannot know how to reach S3.
 */
export async function agentOf(
  client: S3Client,
  protocol: 'http:' | 'https:',
): Promise<ConnectingAgent | undefined> {
  const { requestHandler } = client.config
  // The handler makes its agents with its first request. One that is aborted already is refused before it is sent.
  const request = { protocol, hostname: NOWHERE, method: 'HEAD', path: '/', headers: {}, query: {} }
  const probe = requestHandler.handle as (request: unknown, options: unknown) => Promise<unknown>
  await probe.call(requestHandler, request, { abortSignal: AbortSignal.abort() }).catch(() => {})
  const { httpHandlerConfigs } = requestHandler as { httpHandlerConfigs?: () => Record<string, unknown> }
  const agent = httpHandlerConfigs?.call(requestHandler)[protocol === 'https:' ? 'httpsAgent' : 'httpAgent']
  return agent instanceof Agent && canConnect(agent) ? agent : undefined
}

/**
 * Whether `createConnection` is all there is to a connection of this agent. Some have their own way to serve a request
 * (agent-base, and the proxy agents that are built upon it), send other requests to a proxy than to a server, or send
 * all of them to a socket of the file system.
 */
function canConnect(agent: Agent): agent is ConnectingAgent {
  const isOwn = (name: string) => Reflect.get(agent, name) === Reflect.get(Agent.prototype, name)
  const options: unknown = Reflect.get(agent, 'options')
  if (typeof options !== 'object' || options === null) return false
  if (Reflect.get(options, 'proxyEnv') || Reflect.get(options, 'socketPath')) return false
  return isOwn('addRequest') && isOwn('createSocket')
}
