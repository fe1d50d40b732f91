import { type AddressInfo, connect } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

import { selfSigned } from './self-signed.js'

/** TLS in front of a server that has none. */
export interface TlsFront {
  /** By IP address, since Ceph takes the name `localhost` for that of a bucket; the certificate knows names only. */
  readonly endpoint: string
  /** Who vouches for it: itself. */
  readonly ca: string
  /** The origin that connections made from now on lead to. */
  target: string
  close(): Promise<void>
}

export async function startTlsFront(target: string): Promise<TlsFront> {
  const { key, certificate } = selfSigned()
  const open = new Set<TLSSocket>()
  const server = createServer({ key, cert: certificate }, socket => {
    open.add(socket)
    const { hostname, port } = new URL(front.target)
    const onward = connect(Number(port), hostname)
    socket.pipe(onward).pipe(socket)
    // Whichever end breaks, the other one breaks too.
    socket.on('error', () => {}).on('close', () => onward.destroy())
    onward.on('error', () => {}).on('close', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const front: TlsFront = {
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: certificate,
    target,
    close: () => {
      for (const socket of open) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
  return front
}
