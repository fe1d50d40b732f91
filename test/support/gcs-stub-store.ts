import { createHash, randomBytes } from 'node:crypto'

/** Objects and upload sessions of the stub, in memory. */

export interface StubObject {
  resource: Record<string, unknown> & { name: string; generation: string; crc32c: string; md5Hash: string }
  bytes: Buffer
}

export interface StubSession {
  id: string
  bucket: string
  key: string
  resource: Record<string, unknown>
  ifGenerationMatch: string | null
  bytes: Buffer
  done?: StubObject
}

export interface StubBucket {
  owner: string
  objects: Map<string, StubObject>
}

export class StubError extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message: string) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

let lastGeneration = Date.now() * 1000

export class StubStore {
  readonly buckets = new Map<string, StubBucket>()
  readonly sessions = new Map<string, StubSession>()

  bucket(name: string): StubBucket {
    const bucket = this.buckets.get(name)
    if (bucket === undefined) throw new StubError(404, 'notFound', 'The specified bucket does not exist.')
    return bucket
  }

  object(bucket: string, key: string, generation: string | null = null): StubObject {
    const object = this.bucket(bucket).objects.get(key)
    if (object === undefined || (generation !== null && object.resource.generation !== generation))
      throw new StubError(404, 'notFound', `No such object: ${bucket}/${key}`)
    return object
  }

  assertGeneration(bucket: string, key: string, wanted: string | null): void {
    if (wanted === null) return
    const current = this.bucket(bucket).objects.get(key)?.resource.generation ?? '0'
    if (current !== wanted)
      throw new StubError(412, 'conditionNotMet', 'At least one of the pre-conditions did not hold.')
  }

  /** Checks what the client says of the bytes, and makes the object appear in one step. */
  store(
    bucket: string,
    key: string,
    bytes: Buffer,
    resource: Record<string, unknown>,
    wanted: string | null = null,
  ): StubObject {
    this.assertGeneration(bucket, key, wanted)
    assertKey(key)
    const sums = { crc32c: crc32c(bytes), md5Hash: createHash('md5').update(bytes).digest('base64') }
    for (const name of ['crc32c', 'md5Hash'] as const) {
      if (resource[name] !== undefined && resource[name] !== sums[name])
        throw new StubError(400, 'invalid', `Provided ${name} does not match the calculated one.`)
    }
    const now = new Date().toISOString()
    const object: StubObject = {
      bytes,
      resource: {
        kind: 'storage#object',
        contentType: 'application/octet-stream',
        ...resource,
        ...sums,
        name: key,
        bucket,
        size: String(bytes.length),
        generation: String(++lastGeneration),
        metageneration: '1',
        etag: randomBytes(9).toString('base64'),
        timeCreated: now,
        updated: now,
      },
    }
    this.bucket(bucket).objects.set(key, object)
    return object
  }

  list(bucket: string, prefix: string, after: string, count: number): { items: StubObject[]; next?: string } {
    const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    const all = [...this.bucket(bucket).objects.values()]
      .filter(({ resource }) => resource.name.startsWith(prefix) && order(resource.name, after) > 0)
      .sort((a, b) => order(a.resource.name, b.resource.name))
    const items = all.slice(0, count)
    return all.length > count ? { items, next: items.at(-1)?.resource.name } : { items }
  }
}

/** "Object naming", Cloud Storage documentation. */
function assertKey(key: string): void {
  const bad = /[\r\n]/.test(key) || key === '.' || key === '..' || Buffer.byteLength(key) > 1024 || key === ''
  if (bad) throw new StubError(400, 'invalid', 'Invalid object name.')
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

/** CRC32C (RFC 3720, section 12.1), base64 of network order; not the SDK's code. */
export function crc32c(bytes: Uint8Array): string {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE((crc ^ 0xffffffff) >>> 0)
  return sum.toString('base64')
}
