// Streams a file through a driver of the built library to a backend that keeps nothing, and says how far the memory of
// this process rose meanwhile. Linux only: it reads /proc.
//
//   node test/bench/large-upload.mjs s3|spaces|azure|gcs [put|storeFile] [MIB]
//
// One line of JSON: { driver, through, mib, parts, warm, peak, above, seconds }. In MiB of resident memory: warm is
// what the process holds after a warm-up upload of 32 MiB (a driver's parts under way, once), peak the most that it
// held during the upload (VmHWM, set back before), above the difference. The bytes are made on the way. Fails when the
// backend received other bytes than were sent.
import { fork } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { on, once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const MIB = 1024 * 1024
const CHUNK = 64 * 1024
const WARM_UP = 32 * MIB
const TIME_LIMIT = 100_000

const [name, through = 'put', mib = '1024'] = process.argv.slice(2)
const built = new URL('../../dist/', import.meta.url)
if (!existsSync(built)) throw new Error('There is no dist: run npm run build first.')
const load = room => import(new URL(`${room}/index.js`, built).href)

const makers = {
  s3: async endpoint => new (await load('drivers/s3')).S3Driver({ bucket: 'files', endpoint, credentials }),
  spaces: async endpoint =>
    new (await load('drivers/spaces')).SpacesDriver({
      bucket: 'files',
      endpoint,
      region: 'nyc3',
      credentials,
    }),
  azure: async endpoint =>
    new (await load('drivers/azure')).AzureDriver({
      container: 'files',
      endpoint: `${endpoint}/account`,
      accountName: 'account',
      accountKey: 'c2VjcmV0',
    }),
  gcs: async endpoint => new (await load('drivers/gcs')).GcsDriver({ bucket: 'files', endpoint }),
}
const credentials = { accessKeyId: 'KEY', secretAccessKey: 'secret' }

const sink = fork(fileURLToPath(new URL('./null-backends.mjs', import.meta.url)), [name])
try {
  const [{ port }] = await once(sink, 'message')
  const driver = await makers[name](`http://127.0.0.1:${port}`)
  const upload = await uploaderOf(driver)
  await upload(WARM_UP)
  const warm = memory('VmRSS')
  // 5 sets the peak to what is resident now: proc_pid_clear_refs(5).
  writeFileSync('/proc/self/clear_refs', '5')
  const started = Date.now()
  const { parts } = await upload(Number(mib) * MIB)
  const seconds = (Date.now() - started) / 1000
  const peak = memory('VmHWM')
  const above = peak - warm
  console.log(JSON.stringify({ driver: name, through, mib: Number(mib), parts, warm, peak, above, seconds }))
  await driver.close?.()
} finally {
  sink.disconnect()
}

/** A function that stores so many bytes, and compares what was received with what was sent. */
async function uploaderOf(driver) {
  await driver.ready()
  const received = on(sink, 'message')
  const send = through === 'storeFile' ? await throughPipeline(driver) : throughDriver(driver)
  return async size => {
    const sent = createHash('sha256')
    const body = Readable.from(bytesOf(size, sent), { objectMode: false })
    await send(body, AbortSignal.timeout(TIME_LIMIT))
    const [object] = (await received.next()).value
    if (object.size !== size || object.sha256 !== sent.digest('hex'))
      throw new Error(`The backend received other bytes than were sent: ${JSON.stringify(object)}`)
    return object
  }
}

function throughDriver(driver) {
  let count = 0
  const contentType = 'application/octet-stream'
  return (body, signal) => driver.put(`file-${++count}`, body, { contentType, signal })
}

async function throughPipeline(driver) {
  const { createStorage, runWithTenant } = await load('core')
  const { storeFile } = await load('upload')
  const storage = createStorage({ secret: 'a secret that is long enough', backends: { main: driver } })
  const rules = { folder: 'files', maxSize: '2gb' }
  return (body, signal) =>
    runWithTenant('acme', () => storeFile(storage, body, rules, { name: 'file.bin', signal }))
}

/** Bytes that never repeat, in new pieces as a socket gives them. */
function* bytesOf(size, hash) {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'key'), Buffer.alloc(16))
  const zeros = Buffer.alloc(CHUNK)
  for (let left = size; left > 0; left -= CHUNK) {
    const chunk = stream.update(zeros.subarray(0, Math.min(left, CHUNK)))
    hash.update(chunk)
    yield chunk
  }
}

/** A line of /proc/self/status, in MiB. */
function memory(line) {
  const kib = new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Math.round(Number(kib) / 1024)
}
