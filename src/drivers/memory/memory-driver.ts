import { createHash } from 'node:crypto'
import { addAbortSignal, Readable } from 'node:stream'
import { throwIfAborted } from '../../core/abort.js'
import { endBody, readBody, takeBody } from '../../core/body.js'
import { resolveRange } from '../../core/byte-range.js'
import type {
  Driver,
  DriverCapabilities,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
} from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { assertListPrefix, assertObjectKey } from '../../core/key.js'

interface StoredObject {
  readonly bytes: Buffer
  readonly info: ObjectInfo
}

/** Keeps objects in this process, for tests. They are gone when it ends. */
export class MemoryDriver implements Driver {
  readonly kind = 'memory'
  readonly capabilities: DriverCapabilities = {
    createOnly: true,
    metadata: true,
    signedUrls: false,
    maxExpiresIn: null,
    encryption: [],
    storageClasses: [],
  }
  readonly #objects = new Map<string, StoredObject>()

  async ready(): Promise<void> {}

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    takeBody(body)
    try {
      assertObjectKey(key)
      return this.#store(key, await collect(body, options), options)
    } finally {
      endBody(body)
    }
  }

  #store(key: string, bytes: Buffer, options: PutOptions): PutResult {
    if (options.ifNoneMatch === '*' && this.#objects.has(key)) {
      throw new StorageError('ERR_FILE_EXISTS', 'There is an object under this key already.', {
        operation: 'put',
        key,
      })
    }
    const { contentType, contentDisposition, cacheControl } = options
    const etag = `"${createHash('md5').update(bytes).digest('hex')}"`
    const info = {
      size: bytes.length,
      contentType,
      contentDisposition,
      cacheControl,
      etag,
      lastModified: new Date(),
    }
    this.#objects.set(key, { bytes, info })
    return { size: bytes.length, etag }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    throwIfAborted(options.signal)
    const { bytes, info } = this.#find(key, 'get')
    const range = options.range && resolveRange(options.range, bytes.length)
    const part = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)
    // A copy: a reader who changes the bytes changes no object.
    const body = Readable.from(part.length > 0 ? [Buffer.from(part)] : [], { objectMode: false })
    if (options.signal !== undefined) addAbortSignal(options.signal, body)
    return { body, info: { ...info }, range }
  }

  async head(key: string, options: OperationOptions = {}): Promise<ObjectInfo> {
    throwIfAborted(options.signal)
    return { ...this.#find(key, 'head').info }
  }

  async delete(key: string, options: OperationOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    assertObjectKey(key)
    this.#objects.delete(key)
  }

  async copy(from: string, to: string, options: OperationOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    assertObjectKey(to)
    const { bytes, info } = this.#find(from, 'copy')
    this.#objects.set(to, { bytes, info: { ...info, lastModified: new Date() } })
  }

  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    throwIfAborted(options.signal)
    assertListPrefix(prefix)
    const keys = [...this.#objects.keys()].filter(key => key.startsWith(prefix))
    for (const key of keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
      throwIfAborted(options.signal)
      const info = this.#objects.get(key)?.info
      if (info !== undefined) yield { key, size: info.size, lastModified: info.lastModified }
    }
  }

  #find(key: string, operation: string): StoredObject {
    assertObjectKey(key)
    const object = this.#objects.get(key)
    if (object !== undefined) return object
    throw new StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.', { operation, key })
  }
}

async function collect(body: PutBody, options: PutOptions): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readBody(body, options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
