import { once } from 'node:events'
import { createServer, request, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { onTestFinished } from 'vitest'

export interface Listening {
  url: string
  server: Server
}

/** Serves an application until the end of the test. */
export async function listen(app: Express, options: ServerOptions = {}): Promise<Listening> {
  const server = createServer(options, app).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

/** Sends a body of any bytes at once, with headers to the letter. */
export async function post(
  url: string,
  headers: Record<string, string>,
  body: Buffer,
): Promise<{ status: number; json: unknown }> {
  const outgoing = request(url, { method: 'POST', headers })
  outgoing.end(body)
  const [response] = await once(outgoing, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return { status: response.statusCode, json: text === '' ? undefined : JSON.parse(text) }
}
