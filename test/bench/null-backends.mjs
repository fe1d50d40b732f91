// Backends that keep nothing: stubs of S3's multipart uploads (Spaces speaks the same), of Azure's block blobs and of
// Cloud Storage's resumable uploads, just enough for one large upload. They check no signature and are no proof that
// the real services behave alike; they are here because the real test servers hold every byte in memory.
//
// Nothing passes that lost or swapped a byte: each upload is hashed in the order in which it is to be put together,
// and that order is compared with the one the client asks for at the end.
//
// Runs in a process of its own (child_process.fork), so that its memory is not measured. Says { port } when it
// listens, and { key, size, sha256, parts } for every object that is complete.
import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { buffer, text } from 'node:stream/consumers'

const MIB = 1024 * 1024

/** An object on its way. Parts may come in any order; those that are early wait for the ones before them. */
class Upload {
  key
  size = 0
  parts = 0
  #hash = createHash('sha256')
  #early = new Map()
  #lengths = []

  constructor(key) {
    this.key = key
  }

  /** @param index counted from 0 */
  add(index, bytes) {
    if (index < this.parts || this.#early.has(index)) throw new Error(`part ${index} came twice`)
    this.#early.set(index, bytes)
    for (let next = bytes; next !== undefined; next = this.#early.get(this.parts)) {
      if (!this.#early.delete(this.parts)) return
      this.#hash.update(next)
      this.#lengths.push(next.length)
      this.size += next.length
      this.parts++
    }
  }

  /** @param order the indexes of all parts, as the client wants them put together */
  complete(order, smallest = 0) {
    if (this.#early.size > 0 || order.length !== this.parts) throw new Error('parts are missing')
    if (order.some((part, index) => part !== index)) throw new Error('parts are in another order')
    if (this.#lengths.slice(0, -1).some(length => length < smallest)) throw new Error('a part is too small')
    const { key, size, parts } = this
    process.send({ key, size, sha256: this.#hash.digest('hex'), parts })
  }
}

const uploads = new Map()

function begin(id, key) {
  if (!uploads.has(id)) uploads.set(id, new Upload(key))
  return uploads.get(id)
}

function end(id, order, smallest) {
  const upload = uploads.get(id)
  if (upload === undefined) throw new Error('there is no such upload')
  upload.complete(order, smallest)
  uploads.delete(id)
}

function whole(key, bytes) {
  begin(key, key).add(0, bytes)
  end(key, [0])
}

const matches = (body, pattern) => [...body.matchAll(pattern)].map(([, found]) => found)
const etag = () => ({ etag: `"${randomUUID()}"`, 'last-modified': new Date().toUTCString() })
const xml = body => ({ headers: { 'content-type': 'application/xml', ...etag() }, body })

/** "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject": Amazon S3 API Reference. */
async function s3(req, url) {
  const id = url.searchParams.get('uploadId')
  if (req.method === 'HEAD') return { status: 404 }
  if (req.method === 'PUT' && id === null) whole(url.pathname, await buffer(req))
  else if (req.method === 'PUT')
    uploads.get(id).add(Number(url.searchParams.get('partNumber')) - 1, await buffer(req))
  else if (req.method === 'POST' && id === null) {
    const made = randomUUID()
    begin(made, url.pathname)
    return xml(`<InitiateMultipartUploadResult><UploadId>${made}</UploadId></InitiateMultipartUploadResult>`)
  } else if (req.method === 'POST') {
    const order = matches(await text(req), /<PartNumber>(\d+)<\/PartNumber>/g).map(number => number - 1)
    end(id, order, 5 * MIB)
    return xml('<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>')
  } else throw new Error('the stub does not know this request')
  return { headers: etag() }
}

/** "Put Block", "Put Block List", "Put Blob": Azure Blob Storage REST API. Our block ids end with their number. */
async function azure(req, url) {
  if (req.method === 'HEAD') return { status: 404, headers: { 'x-ms-error-code': 'BlobNotFound' } }
  const { pathname } = url
  const indexOf = id => Number(Buffer.from(id, 'base64').toString().slice(-6))
  if (url.searchParams.get('comp') === 'block') {
    const bytes = await buffer(req)
    begin(pathname, pathname).add(indexOf(url.searchParams.get('blockid')), bytes)
  } else if (url.searchParams.get('comp') === 'blocklist') {
    end(pathname, matches(await text(req), /<Latest>([^<]+)<\/Latest>/g).map(indexOf))
  } else whole(pathname, await buffer(req))
  return { status: 201, headers: { 'x-ms-version': req.headers['x-ms-version'], ...etag() } }
}

/** "Performing resumable uploads": Cloud Storage documentation. */
async function gcs(req, url) {
  const id = url.searchParams.get('upload_id')
  const bytes = await buffer(req)
  if (req.method === 'POST' && url.searchParams.get('uploadType') === 'resumable') {
    const made = randomUUID()
    begin(made, url.searchParams.get('name'))
    return { headers: { location: `http://${req.headers.host}${url.pathname}?upload_id=${made}` } }
  }
  if (req.method !== 'PUT') throw new Error('the stub does not know this request')
  const upload = uploads.get(id)
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(req.headers['content-range'])
  if (Number(first) !== upload.size) throw new Error('bytes are missing')
  upload.add(upload.parts, bytes)
  if (total === '*') return { status: 308, headers: { range: `bytes=0-${upload.size - 1}` } }
  if (Number(total) !== upload.size) throw new Error('the upload has another size')
  end(
    id,
    Array.from({ length: upload.parts }, (_each, index) => index),
  )
  const body = JSON.stringify({ name: upload.key, size: total, etag: 'whole' })
  return { headers: { 'content-type': 'application/json' }, body }
}

const backends = { s3, spaces: s3, azure, gcs }
const backend = backends[process.argv[2]]

const server = createServer(async (req, res) => {
  try {
    const { status = 200, headers, body } = await backend(req, new URL(req.url, 'http://localhost'))
    res.writeHead(status, headers).end(body)
  } catch (error) {
    // 400: a client does not try that again
    res.writeHead(400).end(error.message)
  }
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.once('disconnect', () => process.exit())
