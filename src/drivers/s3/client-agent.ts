import { Agent } from 'node:http'
import type { S3Client } from '@aws-sdk/client-s3'

/** Ends in a name that belongs to nobody (RFC 2606, section 2), should a handler send it after all. */
const NOWHERE = 'nowhere.invalid'

/**
 * The agent that the client itself sends with: its connections, its certificates, its proxy. Undefined for a client
 * whose handler is not the SDK's own for node, or that is set up otherwise: then we cannot know how to reach S3.
 */
export async function agentOf(client: S3Client, protocol: 'http:' | 'https:'): Promise<Agent | undefined> {
  const { requestHandler } = client.config
  // The handler makes its agents with its first request. One that is aborted already is refused before it is sent.
  const request = { protocol, hostname: NOWHERE, method: 'HEAD', path: '/', headers: {}, query: {} }
  const probe = requestHandler.handle as (request: unknown, options: unknown) => Promise<unknown>
  await probe.call(requestHandler, request, { abortSignal: AbortSignal.abort() }).catch(() => {})
  const { httpHandlerConfigs } = requestHandler as { httpHandlerConfigs?: () => Record<string, unknown> }
  const agent = httpHandlerConfigs?.call(requestHandler)[protocol === 'https:' ? 'httpsAgent' : 'httpAgent']
  return agent instanceof Agent ? agent : undefined
}
