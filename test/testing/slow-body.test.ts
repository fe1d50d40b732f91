import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type SlowPart, sendSlowly } from '../../src/testing/slow-body.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function serve(handler: Handler): Promise<{ url: string; server: Server }> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/upload?a=1`, server }
}

interface Seen {
  method: string | undefined
  headers: IncomingMessage['headers']
  body: string
  chunks: { at: number; size: number }[]
}

/** Answers with what arrived, and when. */
const mirror: Handler = (request, response) => {
  const began = performance.now()
  const chunks: Seen['chunks'] = []
  const bodies: Buffer[] = []
  request.on('data', (chunk: Buffer) => {
    chunks.push({ at: performance.now() - began, size: chunk.length })
    bodies.push(chunk)
  })
  request.on('end', () => {
    const body = Buffer.concat(bodies).toString('latin1')
    response.writeHead(201, { 'x-seen': request.url })
    response.end(JSON.stringify({ method: request.method, headers: request.headers, body, chunks }))
  })
}

const parts: SlowPart[] = [{ name: 'file', filename: 'a.bin', body: Buffer.alloc(400, 'x') }]
const asLatin1 = (text: string): string => Buffer.from(text).toString('latin1')

describe('sendSlowly', () => {
  it('sends the headers first and the body in delayed chunks', async () => {
    const { url } = await serve(mirror)
    const { chunks } = (await sendSlowly({ url, parts, chunkSize: 100, delay: 30 })).json<Seen>()
    expect(chunks.length).toBeGreaterThan(2)
    // generous: a busy machine may join chunks, but a chunk never comes much before its time
    let received = 0
    for (const { at, size } of chunks) {
      received += size
      expect(received).toBeLessThanOrEqual(100 * (at / 15))
    }
  })

  it('resolves with status, headers, body and JSON', async () => {
    const { url } = await serve(mirror)
    const response = await sendSlowly({
      url,
      method: 'PUT',
      headers: { 'x-tenant': 'acme' },
      parts,
      chunkSize: 999,
      delay: 0,
    })
    expect(response.status).toBe(201)
    expect(response.headers['x-seen']).toBe('/upload?a=1')
    const seen = response.json<Seen>()
    expect(seen).toEqual(JSON.parse(response.body.toString()))
    expect(seen.method).toBe('PUT')
    expect(seen.headers).toMatchObject({ 'x-tenant': 'acme', 'content-length': String(seen.body.length) })
  })

  it('encodes names, file names and values as browsers do', async () => {
    const { url } = await serve(mirror)
    const odd: SlowPart[] = [
      { name: 'no"te\n', body: 'one\ntwo' },
      {
        name: 'file',
        filename: 'Ünï "q"\r\n😀.pdf',
        contentType: 'application/pdf',
        body: Buffer.from('a\nb'),
      },
      { name: 'bare', filename: '', body: '' },
    ]
    const { headers, body } = (await sendSlowly({ url, parts: odd, chunkSize: 999, delay: 0 })).json<Seen>()
    const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(headers['content-type'] ?? '')?.[1]
    const lines = [
      `--${boundary}`,
      'Content-Disposition: form-data; name="no%22te%0D%0A"',
      '',
      'one\r\ntwo',
      `--${boundary}`,
      asLatin1('Content-Disposition: form-data; name="file"; filename="Ünï %22q%22%0D%0A😀.pdf"'),
      'Content-Type: application/pdf',
      '',
      'a\nb',
      `--${boundary}`,
      'Content-Disposition: form-data; name="bare"; filename=""',
      'Content-Type: application/octet-stream',
      '',
      '',
      `--${boundary}--`,
      '',
    ]
    expect(body).toBe(lines.join('\r\n'))
  })

  it('announces no length when asked for chunked encoding', async () => {
    const { url } = await serve(mirror)
    const headers = { 'Transfer-Encoding': 'chunked' }
    const seen = (await sendSlowly({ url, headers, parts, chunkSize: 100, delay: 1 })).json<Seen>()
    expect(seen.headers['content-length']).toBeUndefined()
    expect(seen.body).toContain('x'.repeat(400))
  })

  it('sends several requests over one connection of a keep-alive agent', async () => {
    const sockets = new Set<Socket>()
    const { url } = await serve((request, response) => {
      sockets.add(request.socket)
      mirror(request, response)
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < 3; i++) {
      const response = await sendSlowly({ url, parts, chunkSize: 200, delay: 5, agent })
      expect(response.status).toBe(201)
    }
    agent.destroy()
    expect(sockets.size).toBe(1)
  })

  it('cuts the connection after abortAfter bytes', async () => {
    let received = 0
    let cut: Promise<unknown> | undefined
    const { url } = await serve(request => {
      request.on('error', () => {})
      cut = new Promise(resolve => request.once('close', resolve))
      request.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
    })
    const sending = sendSlowly({ url, parts, chunkSize: 100, delay: 5, abortAfter: 250 })
    await expect(sending).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    await cut
    expect(received).toBe(250)
  })

  it('cuts the connection when the signal fires, also while it waits for the answer', async () => {
    const { url, server } = await serve(request => {
      request.on('error', () => {})
      request.resume()
    })
    const closed = once(server, 'connection').then(([socket]: Socket[]) => socket && once(socket, 'close'))
    const reason = new Error('enough')
    const controller = new AbortController()
    const sending = sendSlowly({ url, parts, chunkSize: 999, delay: 0, signal: controller.signal })
    setTimeout(() => controller.abort(reason), 100)
    await expect(sending).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED', cause: reason })
    await closed
  })

  it('resolves with an answer that comes before the body is complete, and sends no more', async () => {
    let received = 0
    const { url } = await serve((request, response) => {
      request.on('error', () => {})
      request.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received >= 200) response.writeHead(413).end('too large')
      })
    })
    const agent = new Agent({ keepAlive: true })
    const response = await sendSlowly({ url, parts, chunkSize: 100, delay: 20, agent })
    expect([response.status, response.body.toString()]).toEqual([413, 'too large'])
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(received).toBeLessThan(400)
    agent.destroy()
  })

  it('rejects when the connection ends without an answer', async () => {
    const { url, server } = await serve(request => request.socket.destroy())
    const request = { url, parts, chunkSize: 100, delay: 1 }
    await expect(sendSlowly(request)).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    await new Promise(resolve => server.close(resolve))
    await expect(sendSlowly(request)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })
})
