import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** A port that answers no SYN. */
export interface ClosedDoor {
  endpoint: string
  close(): Promise<void>
}

/** Listens in a thread that then sleeps for ever, so nobody accepts; the queue of the kernel is filled by ourselves. */
const SLEEPER = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
`

/** A server whose queue of connections is full: the system drops further ones without a word, like a firewall. */
export async function closeDoor(): Promise<ClosedDoor> {
  const worker = new Worker(SLEEPER, { eval: true })
  const port = await new Promise<number>(resolve => worker.once('message', resolve))
  const sockets: Socket[] = []
  // With a backlog of 1 Linux takes 2; each further one must stay in the air.
  for (let stood = true; stood; ) stood = await stands(port, sockets)
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await worker.terminate()
    },
  }
}

async function stands(port: number, sockets: Socket[]): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
  sockets.push(socket)
  return new Promise(resolve => {
    socket.once('connect', () => resolve(true))
    setTimeout(() => resolve(false), 300)
  })
}
