import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { metadata, type StubTokenCreator, signBlob } from './gcs-stub-iam.js'
import { verifySignedUrl, verifyToken } from './gcs-stub-signatures.js'
import { StubError, type StubObject, StubStore } from './gcs-stub-store.js'
import { continueUpload, json, type StubAnswer, startUpload } from './gcs-stub-uploads.js'

/*
 * A stub of Google Cloud Storage, in memory: there is no server of it that could run here. Written from Google's
 * documentation, so what that leaves open is a guess.
 *
 * It checks: bearer tokens (JWTs signed by a known service account), who owns a bucket, V4 signatures with RSA and
 * HMAC keys (algorithm, scope, date, life, method, host, path, every parameter, x-goog- headers), object names,
 * ifGenerationMatch, checksums that the client gives, the form of multipart bodies, Content-Range and the size of
 * chunks, and that nothing is visible before an upload ends. Beside it are two neighbours, see gcs-stub-iam.ts.
 *
 * It does not: IAM beyond one owner per bucket, versions, retention, ACLs, transcoding, rate limits, keys and
 * classes beyond keeping their names, conditions other than ifGenerationMatch, `fields`, TLS. Copies are done in steps of 4 MiB where Google
 * decides by place and class. It is not proof that the real service behaves alike.
 */

export interface StubAccount {
  client_email: string
  private_key: string
}

/** What a fault may do with a request beside answering it itself. */
export interface StubWays {
  /** As if there were no fault. */
  pass(): Promise<void>
  /** The stub does its work, and nobody answers. */
  work(): Promise<void>
}

export type StubFault = (req: IncomingMessage, res: ServerResponse, ways: StubWays) => void | Promise<void>

const REWRITE_STEP = 4 * 1024 * 1024
const OWNER = 'files@acme.iam.gserviceaccount.com'
const STRANGER = 'stranger@other.iam.gserviceaccount.com'

export class GcsStub {
  readonly store = new StubStore()
  /** Owns the buckets that {@link createBucket} makes for nobody else. */
  readonly owner = account(OWNER)
  /** Known to the stub too. */
  readonly stranger = account(STRANGER)
  readonly hmac = { accessId: 'GOOG1EXAMPLEACCESSID', secret: 'hmac/secret+example=' }
  /** Every request, as `METHOD /path?query`. */
  seen: string[] = []
  fault: StubFault | undefined
  /** Bytes that are kept of each chunk of a session. */
  keep: number | undefined
  /** Whether a bit of every large body changes on its way. */
  isCorrupting = false
  /** Whether requests without a token pass, as on an emulator. */
  isOpen = false
  /** Who may ask IAM to sign for whom. */
  tokenCreators: StubTokenCreator[] = [{ caller: OWNER, account: OWNER }]
  /** The account that the metadata server gives tokens of. */
  machine: StubAccount | undefined = this.owner
  endpoint = ''
  readonly #server = createServer((req, res) => void this.#serve(req, res))
  readonly #accounts = {
    accounts: new Map(
      [this.owner, this.stranger].map(({ client_email, publicKey }) => [client_email, publicKey]),
    ),
    hmacKeys: new Map([[this.hmac.accessId, { secret: this.hmac.secret, account: OWNER }]]),
  }
  #buckets = 0

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    this.endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  createBucket({ client_email }: StubAccount = this.owner): string {
    const name = `stub-${++this.#buckets}`
    this.store.buckets.set(name, { owner: client_email, objects: new Map() })
    return name
  }

  /** Uploads that were begun and neither finished nor deleted. */
  openSessions(bucket: string): string[] {
    const sessions = [...this.store.sessions.values()]
    return sessions
      .filter(session => session.bucket === bucket && session.done === undefined)
      .map(({ key }) => key)
  }

  keys(bucket: string): string[] {
    return [...this.store.bucket(bucket).objects.keys()]
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.seen.push(`${req.method} ${req.url}`)
    req.on('error', () => {})
    res.on('error', () => {})
    const work = async () => void (await this.#answer(req))
    const pass = async () => reply(req, res, await this.#answer(req))
    try {
      await (this.fault === undefined ? pass() : this.fault(req, res, { pass, work }))
    } catch {
      res.destroy() // a client that went away in the middle of its body
    }
  }

  async #answer(req: IncomingMessage): Promise<StubAnswer> {
    const isXml = !/^\/((upload\/)?storage\/v1|v1\/projects|computeMetadata)\//.test(req.url ?? '')
    const bytes = await buffer(req)
    if (this.isCorrupting && bytes.length > 10_000) bytes.writeUInt8(bytes.readUInt8(9_000) ^ 1, 9_000)
    try {
      return isXml ? this.#xml(req, bytes) : this.#json(req, bytes)
    } catch (error) {
      if (!(error instanceof StubError)) throw error
      return isXml ? xmlError(error) : jsonError(error)
    }
  }

  #json(req: IncomingMessage, bytes: Buffer): StubAnswer {
    const url = new URL(req.url ?? '', this.endpoint)
    if (url.pathname.startsWith('/computeMetadata/')) return metadata(req, url, this.machine)
    if (url.pathname.startsWith('/v1/projects/')) return this.#iam(req, url, bytes)
    // The address of a session is its own permission.
    if (url.searchParams.has('upload_id')) return continueUpload(this.store, req, url, bytes, this.keep)
    const path = url.pathname.replace(/^\/(upload\/)?storage\/v1\/b\//, '').split('/')
    const [bucket = '', kind, key, action, ...rest] = path.map(decodeURIComponent)
    const account = this.isOpen ? OWNER : verifyToken(req.headers.authorization, this.#accounts)
    this.#assertMayUse(bucket, account)
    if (kind !== 'o') throw new StubError(404, 'notFound', 'Not Found')
    if (url.pathname.startsWith('/upload/')) return startUpload(this.store, req, url, bytes)
    if (key === undefined) return this.#list(bucket, url.searchParams)
    if (action === 'rewriteTo') {
      const [, toBucket = '', , to = ''] = rest
      this.#assertMayUse(toBucket, account)
      return this.#rewrite({ bucket, key, toBucket, to }, url, bytes)
    }
    const generation = url.searchParams.get('generation')
    const object = this.store.object(bucket, key, generation)
    if (req.method === 'DELETE') {
      this.store.bucket(bucket).objects.delete(key)
      return { status: 204 }
    }
    return url.searchParams.get('alt') === 'media' ? media(object, req.headers.range) : json(object)
  }

  #iam(req: IncomingMessage, url: URL, bytes: Buffer): StubAnswer {
    const caller = verifyToken(req.headers.authorization, this.#accounts)
    const { owner, stranger, tokenCreators } = this
    return signBlob(caller, url, bytes, { accounts: [owner, stranger], tokenCreators })
  }

  #assertMayUse(bucket: string, account: string): void {
    if (this.store.bucket(bucket).owner !== account)
      throw new StubError(403, 'forbidden', `${account} does not have access to the bucket.`)
  }

  #list(bucket: string, query: URLSearchParams): StubAnswer {
    const after = Buffer.from(query.get('pageToken') ?? '', 'base64').toString()
    const count = Math.min(Number(query.get('maxResults') ?? 1_000), 1_000)
    const { items, next } = this.store.list(bucket, query.get('prefix') ?? '', after, count)
    return json({
      kind: 'storage#objects',
      ...(items.length > 0 ? { items: items.map(object => object.resource) } : {}),
      ...(next === undefined ? {} : { nextPageToken: Buffer.from(next).toString('base64') }),
    })
  }

  /** A body replaces the properties of the source; the key and the class of the target are its own. */
  #rewrite(
    { bucket, key, toBucket, to }: Record<'bucket' | 'key' | 'toBucket' | 'to', string>,
    url: URL,
    body: Buffer,
  ): StubAnswer {
    const source = this.store.object(bucket, key)
    const { bytes } = source
    const copied = Number(url.searchParams.get('rewriteToken') ?? 0) + REWRITE_STEP
    if (copied < bytes.length)
      return json({ done: false, totalBytesRewritten: String(copied), rewriteToken: String(copied) })
    const { storageClass: _, kmsKeyName: __, ...inherited } = source.resource
    const { crc32c, md5Hash } = source.resource
    const resource = body.length > 0 ? { ...JSON.parse(body.toString()), crc32c, md5Hash } : inherited
    const kmsKeyName = url.searchParams.get('destinationKmsKeyName') ?? undefined
    const wanted = url.searchParams.get('ifGenerationMatch')
    const target = this.store.store(toBucket, to, bytes, { ...resource, kmsKeyName }, wanted)
    return json({ done: true, totalBytesRewritten: String(bytes.length), resource: target.resource })
  }

  /** The XML API, for signed URLs only. */
  #xml(req: IncomingMessage, bytes: Buffer): StubAnswer {
    const account = verifySignedUrl(req, this.#accounts)
    const url = new URL(req.url ?? '', this.endpoint)
    const [, bucket = '', ...segments] = url.pathname.split('/').map(decodeURIComponent)
    const key = segments.join('/')
    this.#assertMayUse(bucket, account)
    if (req.method === 'PUT') {
      this.store.store(bucket, key, bytes, { contentType: req.headers['content-type'] })
      return { status: 200 }
    }
    const object = this.store.object(bucket, key)
    if (req.method === 'DELETE') {
      this.store.bucket(bucket).objects.delete(key)
      return { status: 204 }
    }
    const answer = media(object, req.headers.range)
    for (const name of ['content-disposition', 'content-type', 'cache-control']) {
      const wanted = url.searchParams.get(`response-${name}`)
      if (wanted !== null) answer.headers = { ...answer.headers, [name]: wanted }
    }
    return answer
  }
}

function reply(req: IncomingMessage, res: ServerResponse, { status, headers, body = '' }: StubAnswer): void {
  res.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers })
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** Answers with an error in the JSON API's form. */
export function answerError(res: ServerResponse, status: number, reason: string): void {
  const { headers, body } = jsonError(new StubError(status, reason, 'said the stub'))
  res.writeHead(status, headers).end(body)
}

function media({ bytes, resource }: StubObject, range: string | undefined): StubAnswer {
  const text = (name: string) =>
    resource[name] === undefined ? {} : { [header(name)]: String(resource[name]) }
  const headers = {
    ...text('contentType'),
    ...text('contentDisposition'),
    ...text('cacheControl'),
    'x-goog-generation': resource.generation,
    'x-goog-hash': `crc32c=${resource.crc32c},md5=${resource.md5Hash}`,
    'x-goog-stored-content-length': String(bytes.length),
  }
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
  if (match === null) return { status: 200, headers, body: bytes }
  const start = Number(match[1])
  const end = Math.min(match[2] === '' ? bytes.length - 1 : Number(match[2]), bytes.length - 1)
  if (start > end) throw new StubError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable')
  const contentRange = `bytes ${start}-${end}/${bytes.length}`
  return {
    status: 206,
    headers: { ...headers, 'content-range': contentRange },
    body: bytes.subarray(start, end + 1),
  }
}

function header(name: string): string {
  return name.replace(/[A-Z]/g, char => `-${char.toLowerCase()}`)
}

function jsonError({ status, reason, message }: StubError): StubAnswer {
  const error = { code: status, message, errors: [{ domain: 'global', reason, message }] }
  return { ...json({ error }), status }
}

function xmlError({ status, reason, message }: StubError): StubAnswer {
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${reason}</Code><Message>${message}</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml; charset=UTF-8' }, body }
}

function account(client_email: string): StubAccount & { publicKey: string } {
  const pem = { format: 'pem' } as const
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { ...pem, type: 'spki' },
    privateKeyEncoding: { ...pem, type: 'pkcs8' },
  })
  return { client_email, private_key: privateKey, publicKey }
}
