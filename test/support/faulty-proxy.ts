import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What happens to one request. `pass` hands it to the real server and gives back its answer. */
export type Fault = (
  req: IncomingMessage,
  res: ServerResponse,
  pass: () => Promise<void>,
) => Promise<void> | void

export interface FaultyProxy {
  endpoint: string
  /** Every request so far: `PUT /bucket/key?query`. */
  seen: string[]
  /** What to do with the next requests; undefined passes them on. */
  fault: Fault | undefined
  /** How many are open to it now. */
  connections(): Promise<number>
  close(): Promise<void>
}

/** Stands between a driver and the real S3 server and misbehaves on request. Signatures stay good. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target)
  const server = createServer((req, res) => {
    res.on('error', () => {})
    req.on('error', () => {})
    proxy.seen.push(`${req.method} ${req.url}`)
    const pass = () => forward(req, res, { hostname, port })
    void Promise.resolve(proxy.fault ? proxy.fault(req, res, pass) : pass()).catch(() => res.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultyProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    fault: undefined,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close: () => {
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
  return proxy
}

/** Answers with an error in S3's form. */
export function answerError(
  res: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
) {
  res.writeHead(status, { 'content-type': 'application/xml', ...headers })
  res.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>said the server</Message></Error>`)
}

/** Swallows a request whole and gives no answer. */
export function swallow(req: IncomingMessage): void {
  req.resume()
}

/** Lets the server do its work, and loses the answer. */
export function loseAnswer(req: IncomingMessage, target: string, after: () => void): void {
  const { hostname, port } = new URL(target)
  const options = { hostname, port, method: req.method, path: req.url, headers: req.headers }
  req.pipe(request(options, answer => answer.resume().on('end', after)))
}

function forward(
  req: IncomingMessage,
  res: ServerResponse,
  to: { hostname: string; port: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { ...to, method: req.method, path: req.url, headers: req.headers }
    const onward = request(options, answer => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res).on('finish', resolve)
    })
    onward.on('error', reject)
    req.on('close', () => req.complete || onward.destroy())
    req.pipe(onward)
  })
}
