import { agentOf } from './client-agent.js'
import { HttpSender } from './http-sender.js'
import type { S3Calls } from './s3-calls.js'
import { SdkSender } from './sdk-sender.js'
import type { Sender } from './sender.js'
import { SignedRequests } from './signed-requests.js'
import type { WarmCredentials } from './warm-credentials.js'

/**
 * The sender that was asked for, or the SDK's where requests of our own cannot go: the endpoint wants another
 * signature (`sigv4-s3express`, `sigv4a`), or the client sends in a way that we do not know.
 */
export async function chooseSender(
  calls: S3Calls,
  credentials: WarmCredentials,
  transport: 'own' | 'sdk',
): Promise<Sender> {
  const { client, home } = calls
  // SDKs of 2024 and older know no such setting, and send no checksum.
  const calculation = await client.config.requestChecksumCalculation?.()
  const checksum = calculation === 'WHEN_SUPPORTED' ? 'crc32' : undefined
  if (transport === 'own' && home.address.authScheme === 'sigv4') {
    const agent = await agentOf(client, home.address.origin.startsWith('https:') ? 'https:' : 'http:')
    if (agent !== undefined) return new HttpSender(new SignedRequests(calls, credentials, agent), checksum)
  }
  return new SdkSender(checksum)
}
