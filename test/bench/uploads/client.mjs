// The client: forms with one file, over kept connections on bare sockets, so that it costs little.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

const BLOCK = randomBytes(1024 * 1024)
/** As Chrome and Safari send it: the parser skips by the length of it, so a short one makes every search slower. */
const BOUNDARY = '----WebKitFormBoundary7MA4YWxkTrZu0gW9'
/** Milliseconds without a byte after which a server counts as hanging. */
const PATIENCE = 60_000

/** A file of so many bytes, which begins as one of its type does. Its bytes are the same memory again and again. */
export function fileOf({ name, type, magic, size }) {
  const start = Buffer.from(BLOCK.subarray(0, Math.min(size, BLOCK.length)))
  magic.copy(start)
  const blocks = [start]
  for (let left = size - start.length; left > 0; left -= BLOCK.length)
    blocks.push(BLOCK.subarray(0, Math.min(left, BLOCK.length)))
  const hash = createHash('sha256')
  for (const block of blocks) hash.update(block)
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: ${type}\r\n\r\n`
  const tail = `\r\n--${BOUNDARY}--\r\n`
  return { size, sha256: hash.digest('hex'), blocks, head, tail }
}

/**
 * Connections to a server. They are opened before anything is measured: Node takes one new connection in each turn of
 * its event loop, so under load some would wait for seconds.
 */
export async function openClient(port, connections) {
  const sockets = Array.from({ length: connections }, () => connect(port, '127.0.0.1').setNoDelay(true))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  for (const socket of sockets)
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error('The server fell silent.')))
  return {
    uploadAll: (file, count) => uploadAll(sockets, port, file, count),
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/**
 * Uploads a file so many times, one after the other on each connection.
 *
 * @returns seconds in all, and the milliseconds of each request from its first byte to the end of its answer
 */
async function uploadAll(sockets, port, file, count) {
  const latencies = []
  let begun = 0
  const uploadOn = async socket => {
    while (begun++ < count) {
      const start = performance.now()
      await upload(socket, port, file)
      latencies.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(sockets.map(uploadOn))
  return { seconds: (performance.now() - start) / 1000, latencies }
}

async function upload(socket, port, { size, sha256, blocks, head, tail }) {
  const answer = answerOn(socket)
  const length = head.length + size + tail.length
  socket.write(
    `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Tenant: acme\r\n` +
      `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${length}\r\n\r\n${head}`,
  )
  for (const block of blocks) {
    if (!socket.write(block)) await Promise.race([once(socket, 'drain'), answer])
  }
  socket.write(tail)
  const { status, body } = await answer
  if (status !== 200) throw new Error(`The application answered ${status}: ${body}`)
  const found = JSON.parse(body).sha256
  if (found !== undefined && found !== sha256)
    throw new Error('The application hashed other bytes than were sent.')
}

function answerOn(socket) {
  return new Promise((resolve, reject) => {
    let text = ''
    const settle = then => {
      socket.off('data', onData).off('error', onError).off('close', onClose)
      then()
    }
    const onData = chunk => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])
      const body = text.slice(end + 4)
      if (body.length >= length) settle(() => resolve({ status: Number(text.slice(9, 12)), body }))
    }
    const onError = error => settle(() => reject(error))
    const onClose = () => settle(() => reject(new Error('The server closed the connection.')))
    socket.on('data', onData).on('error', onError).on('close', onClose)
  })
}
