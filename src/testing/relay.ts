import { createServer, type RequestOptions, request } from 'node:http'
import type { AddressInfo } from 'node:net'

type Handler = NonNullable<Parameters<typeof createServer>[1]>
type Incoming = Parameters<Handler>[0]
type Outgoing = Parameters<Handler>[1]

/** What a {@link Relay} does to requests. */
export type RelayFault =
  /** Takes the request and never answers. */
  | { kind: 'silence' }
  /** Passes it on after so many milliseconds. */
  | { kind: 'delay'; ms: number }
  /** Answers by itself, with a status and maybe headers. */
  | { kind: 'answer'; status: number; headers?: Record<string, string> }
  /** Breaks the connection before there is an answer; the backend hears nothing. */
  | { kind: 'break' }
  /** The backend does its work, and its answer is lost: the connection breaks, or stays silent for ever. */
  | { kind: 'lose'; by: 'break' | 'silence' }
  /** Lets so many bytes of an answer's body through, and then breaks the connection or falls silent. */
  | { kind: 'cut'; after: number; by: 'break' | 'silence' }

/** Which requests a fault is for. */
export interface RelayRule {
  fault: RelayFault
  /** Default: every request. Writes are those that are neither GET, HEAD nor DELETE. */
  on?: 'writes' | 'reads'
  /** For how many requests; the default is all of them. */
  times?: number
  /** Called when the fault has happened. */
  onDone?: () => void
}

/** A server between a driver and its backend, for one test; see {@link startRelay}. */
export interface Relay {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string
  /** Every request so far, as `PUT /path?query`. */
  readonly seen: string[]
  /** What to do with the requests that come now; undefined passes them on. */
  rule: RelayRule | undefined
  close(): Promise<void>
}

/**
 * Starts a server on 127.0.0.1 that hands requests to `target` as they are, so that signatures stay good, and misbehaves
 * on request.
 *
 * @param target where the backend is; of its path nothing is used
 */
export async function startRelay(target: string): Promise<Relay> {
  const { hostname, port } = new URL(target)
  const relay: Relay = { endpoint: '', seen: [], rule: undefined, close: async () => {} }
  const server = createServer((req, res) => {
    req.on('error', () => {})
    res.on('error', () => {})
    relay.seen.push(`${req.method} ${req.url}`)
    const onward = { hostname, port, method: req.method, path: req.url, headers: req.headers }
    const rule = takeRule(relay, req)
    if (rule === undefined) return pass(req, res, onward)
    happen(rule.fault, req, res, onward, rule.onDone ?? (() => {}))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise<void>(resolve => server.close(() => resolve()))
  }
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(relay, { endpoint: address, close })
}

/** The rule for this request, which counts it. */
function takeRule({ rule }: Relay, { method = '' }: Incoming): RelayRule | undefined {
  if (rule === undefined || rule.times === 0) return undefined
  const kind = ['GET', 'HEAD'].includes(method) ? 'reads' : method === 'DELETE' ? 'neither' : 'writes'
  if (rule.on !== undefined && rule.on !== kind) return undefined
  if (rule.times !== undefined) rule.times--
  return rule
}

function happen(
  fault: RelayFault,
  req: Incoming,
  res: Outgoing,
  onward: RequestOptions,
  done: () => void,
): void {
  const end = (how: 'break' | 'silence') => {
    if (how === 'break') res.destroy()
    done()
  }
  const swallow = (after: () => void) => req.resume().on('end', after)
  switch (fault.kind) {
    case 'silence':
      swallow(done)
      break
    case 'break':
      swallow(() => end('break'))
      break
    case 'answer':
      swallow(() => res.writeHead(fault.status, fault.headers).end(done))
      break
    case 'delay':
      setTimeout(pass, fault.ms, req, res, onward)
      break
    case 'lose':
      req.pipe(request(onward, answer => answer.resume().on('end', () => end(fault.by))))
      break
    case 'cut':
      pass(req, res, onward, { left: fault.after, end: () => end(fault.by) })
  }
}

function pass(
  req: Incoming,
  res: Outgoing,
  options: RequestOptions,
  cut: { left: number; end: () => void } = { left: Number.POSITIVE_INFINITY, end: () => {} },
): void {
  const onward = request(options, answer => {
    res.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => res.destroy())
    answer.on('data', (chunk: Uint8Array) => {
      const part = chunk.subarray(0, cut.left)
      cut.left -= part.length
      if (cut.left > 0) {
        if (res.write(part)) return
        answer.pause()
        res.once('drain', () => answer.resume())
      } else {
        answer.removeAllListeners('data').removeAllListeners('end').destroy()
        res.write(part, cut.end)
      }
    })
    answer.on('end', () => res.end())
  })
  onward.on('error', () => res.destroy())
  res.on('close', () => onward.destroy())
  req.pipe(onward)
}
