import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { agentsWithin } from '../../src/core/connect-timeout.js'
import { afterThisTest } from '../support/ends.js'

/** Answers as soon as the first bytes of a request come, and is gone before the others. */
async function leavingServer(): Promise<number> {
  const server = createServer(socket => {
    socket
      .on('error', () => {})
      .once('data', () => {
        socket.pause()
        socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n', () => socket.destroy())
      })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => server.close())
  return (server.address() as AddressInfo).port
}

it('a connection that breaks under a body whose answer is there already ends no process', async () => {
  const port = await leavingServer()
  const agents = agentsWithin(10_000)
  afterThisTest(() => agents.destroy())
  for (let n = 0; n < 5; n++) {
    const status = await new Promise((resolve, reject) => {
      request({ method: 'PUT', host: '127.0.0.1', port, agent: agents.plain })
        .on('response', answer => answer.resume().on('end', () => resolve(answer.statusCode)))
        .on('error', reject)
        .end(Buffer.alloc(16 * 1024 * 1024))
    }).catch(({ code }) => code)
    // The kernel may have thrown the answer away with the connection.
    expect([503, 'ECONNRESET', 'EPIPE']).toContain(status)
    await sleep(20) // vitest fails for an error that nobody hears
  }
})
