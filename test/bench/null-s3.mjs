// An S3 that keeps nothing: it reads bodies and answers, so that what it costs is neither the application's nor much.
// It checks no signature and no byte; that both are right is proved on real servers, by the tests. But it counts, so
// that no variant passes that sends less than it should, or sends it without the CRC32 that was to be measured.
//
// Runs in a process of its own (child_process.fork). Says { port } when it listens. Understands { slow } (seconds
// before every answer, and bytes per second and connection, or none) and { count: true }, which it answers with the
// counts and its processor time since the last time.
import { createServer } from 'node:http'

let counts = newCounts()
let cpuBefore = process.cpuUsage()
let slow = { latency: 0, rate: 0 }

function newCounts() {
  return { objects: 0, bytes: 0, bytesWithCrc32: 0, requests: {} }
}

/** By method and query: "Actions", Amazon S3 API Reference. */
function actionOf({ method, url }) {
  const isPart = url.includes('partNumber=')
  if (method === 'PUT') return isPart ? 'UploadPart' : 'PutObject'
  if (method === 'POST')
    return url.includes('uploadId=') ? 'CompleteMultipartUpload' : 'CreateMultipartUpload'
  return method === 'GET' && url.includes('prefix=') ? 'ListObjects' : method
}

const XML = { 'content-type': 'application/xml' }
const ETAG = { etag: '"null"' }
const answers = {
  PutObject: [200, ETAG, ''],
  UploadPart: [200, ETAG, ''],
  CreateMultipartUpload: [
    200,
    XML,
    '<InitiateMultipartUploadResult><UploadId>null</UploadId></InitiateMultipartUploadResult>',
  ],
  CompleteMultipartUpload: [
    200,
    XML,
    '<CompleteMultipartUploadResult><ETag>"null"</ETag></CompleteMultipartUploadResult>',
  ],
  ListObjects: [
    200,
    XML,
    '<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>',
  ],
  DELETE: [204, {}, ''],
  HEAD: [404, {}, ''],
  GET: [404, XML, '<Error><Code>NoSuchUpload</Code></Error>'],
}

/**
 * Of the object, where `length` bytes came of its request; undefined where that is not the number that was announced.
 * A stream of the SDK comes in chunks with a line of text before each ("aws-chunked"), and a checksum behind the last.
 */
function sizeOf({ headers }, length) {
  const decoded = Number(headers['x-amz-decoded-content-length'])
  if (headers['content-encoding'] === 'aws-chunked') return length > decoded ? decoded : undefined
  return length === Number(headers['content-length']) ? length : undefined
}

function answer(req, res, length) {
  const action = actionOf(req)
  counts.requests[action] = (counts.requests[action] ?? 0) + 1
  if (action === 'PutObject' || action === 'UploadPart') {
    const size = sizeOf(req, length)
    if (size === undefined) return res.destroy()
    counts.bytes += size
    const { 'x-amz-checksum-crc32': header, 'x-amz-trailer': trailer } = req.headers
    if (header !== undefined || trailer === 'x-amz-checksum-crc32') counts.bytesWithCrc32 += size
  }
  if (action === 'PutObject' || action === 'CompleteMultipartUpload') counts.objects++
  const [status, headers, body] = answers[action]
  const headersAll = { ...headers, 'content-length': Buffer.byteLength(body) }
  const send = () => res.writeHead(status, headersAll).end(body)
  if (slow.latency > 0) setTimeout(send, slow.latency * 1000)
  else send()
}

const server = createServer((req, res) => {
  let length = 0
  const began = performance.now()
  req.on('data', chunk => {
    length += chunk.length
    if (slow.rate === 0) return
    const early = (length / slow.rate) * 1000 - (performance.now() - began)
    if (early < 5) return
    req.pause()
    setTimeout(() => req.resume(), early)
  })
  req.on('end', () => answer(req, res, length))
})
server.keepAliveTimeout = 600_000
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('message', message => {
  if (message.slow) slow = message.slow
  const { user, system } = process.cpuUsage(cpuBefore)
  process.send({ ...counts, cpu: (user + system) / 1e6 })
  counts = newCounts()
  cpuBefore = process.cpuUsage()
})
process.once('disconnect', () => process.exit())
