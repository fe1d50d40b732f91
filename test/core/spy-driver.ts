import type {
  CopyFromOptions,
  CopyOptions,
  CopySource,
  DeleteFailure,
  Driver,
  DriverCapabilities,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OpenUpload,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
  SignUrlOptions,
} from '../../src/core/driver.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'

export interface Call {
  method: string
  keys: string[]
  options?: unknown
}

/** Keeps objects in memory and writes every call down, as a bucket's access log would. */
export class SpyDriver implements Driver {
  readonly kind = 'spy'
  readonly capabilities: DriverCapabilities
  readonly calls: Call[] = []
  readonly memory = new MemoryDriver()
  readonly signUrl?: (key: string, options: SignUrlOptions) => string
  readonly signUrlRemotely?: (key: string, options: SignUrlOptions) => Promise<string>
  readonly signableFor?: (at: number) => number
  readonly publicUrl?: (key: string) => string
  readonly copySource?: (key: string) => CopySource
  readonly copyFrom?: (source: CopySource, key: string, options: CopyFromOptions) => Promise<object>
  readonly pathWithin?: (key: string) => string
  readied = 0
  closed = 0

  constructor({ signs = false, capabilities = {} as Partial<DriverCapabilities> } = {}) {
    this.capabilities = {
      createOnly: true,
      metadata: true,
      signedUrls: signs,
      maxExpiresIn: signs ? 604_800 : null,
      encryption: [],
      storageClasses: [],
      ...capabilities,
    }
    if (!signs) return
    this.signUrl = (key, options) => {
      this.#note('signUrl', [key], options)
      return `https://bucket.example/${key}?at=${options.at}&expiresIn=${options.expiresIn}`
    }
    this.signUrlRemotely = async (key, options) => {
      this.#note('signUrlRemotely', [key], options)
      return `https://signed-elsewhere.example/${key}?at=${options.at}`
    }
    this.signableFor = () => Number.POSITIVE_INFINITY
    this.copySource = key => {
      this.#note('copySource', [key])
      return { realm: 'spies', bucket: 'spy', key }
    }
    this.copyFrom = async (source, key, options) => {
      this.#note('copyFrom', [source.key, key], options)
      await this.memory.copy(source.key, key)
      return {}
    }
    this.pathWithin = key => {
      this.#note('pathWithin', [key])
      return key
    }
    this.publicUrl = key => {
      this.#note('publicUrl', [key])
      return `https://cdn.example/${key}`
    }
  }

  #note(method: string, keys: string[], options?: unknown): void {
    this.calls.push({ method, keys, options })
  }

  async ready(): Promise<void> {
    this.readied += 1
  }

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    this.#note('put', [key], options)
    return this.memory.put(key, body, options)
  }

  async get(key: string, options?: GetOptions): Promise<GetResult> {
    this.#note('get', [key], options)
    return this.memory.get(key, options)
  }

  async head(key: string, options?: OperationOptions): Promise<ObjectInfo> {
    this.#note('head', [key], options)
    return this.memory.head(key, options)
  }

  async delete(key: string, options?: OperationOptions): Promise<void> {
    this.#note('delete', [key], options)
    return this.memory.delete(key, options)
  }

  async deleteMany(keys: readonly string[], options?: OperationOptions): Promise<DeleteFailure[]> {
    this.#note('deleteMany', [...keys], options)
    for (const key of keys) await this.memory.delete(key, options)
    return []
  }

  async *listUploads(prefix: string, options?: OperationOptions): AsyncGenerator<OpenUpload> {
    this.#note('listUploads', [prefix], options)
    for await (const { key } of this.memory.list(prefix, options)) yield { key, id: 'an upload' }
  }

  async abortUpload(key: string, id: string, options?: OperationOptions): Promise<void> {
    this.#note('abortUpload', [key], { id, ...options })
  }

  async copy(from: string, to: string, options?: CopyOptions): Promise<void> {
    this.#note('copy', [from, to], options)
    return this.memory.copy(from, to, options)
  }

  async *list(prefix: string, options?: OperationOptions): AsyncGenerator<ObjectEntry> {
    this.#note('list', [prefix], options)
    yield* this.memory.list(prefix, options)
  }

  async close(): Promise<void> {
    this.closed += 1
  }

  /** All keys that a call named, in order. */
  get keys(): string[] {
    return this.calls.flatMap(({ keys }) => keys)
  }
}
