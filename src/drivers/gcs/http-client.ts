import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { BackendAgents } from '../../core/connect-timeout.js'

/** One request. Its body, if any, is sent with its length. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  headers?: Record<string, string>
  body?: readonly Uint8Array[]
}

/**
 * Sends requests over kept connections. The SDK's own calls will not do: none of them takes an AbortSignal, so an
 * aborted upload would go on, and `createReadStream` answers an early end of one download by destroying the agent
 * of them all ("node-fetch 2.x" in its `file.js`).
 */
export class HttpClient {
  readonly #agents: BackendAgents

  constructor(agents: BackendAgents) {
    this.#agents = agents
  }

  /** The answer, as soon as its headers are there. `signal` ends the request and the answer's body. */
  open({ method, url, headers = {}, body }: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const target = new URL(url)
      const isSecure = target.protocol === 'https:'
      const length = body?.reduce((sum, chunk) => sum + chunk.length, 0)
      const request = (isSecure ? requestHttps : requestHttp)(target, {
        method,
        headers: { ...headers, ...(length === undefined ? {} : { 'Content-Length': length }) },
        agent: isSecure ? this.#agents.secure : this.#agents.plain,
        signal,
      })
      request.on('error', reject).on('response', resolve)
      for (const chunk of body ?? []) request.write(chunk)
      request.end()
    })
  }

  destroy(): void {
    this.#agents.destroy()
  }
}

/**
 * The whole body of an answer.
 *
 * @param limit bytes after which nobody reads on
 */
export async function readAnswer(answer: IncomingMessage, limit = Number.POSITIVE_INFINITY): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > limit) break
  }
  return Buffer.concat(chunks).toString()
}
