import type { Readable } from 'node:stream'
import type { SignedUrl } from './disk-urls.js'
import type { ByteRange } from './driver.js'
import { StorageError } from './errors.js'
import { publish } from './events.js'
import type { ColumnUrls, UrlRequest } from './url-policy.js'

/** Where a file lies: enough to find its object. */
export interface FileAddress {
  readonly disk: string
  /** The name of the backend that holds the bytes. */
  readonly backend: string
  /** The owner; `shared` on a shared disk, null on a disk without tenants. */
  readonly tenant: string | null
  /** Below disk and tenant. */
  readonly key: string
}

/** All that a column remembers of a file. */
export interface StoredFileData extends FileAddress {
  /** As the client called it. */
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** The media type, found in the bytes. */
  readonly type: string
  /** 64 hexadecimal digits; null where it was never computed. */
  readonly sha256: string | null
  /** On a bucket that keeps versions. */
  readonly version?: string
  readonly encoding?: string
  /** In bytes, where the stored form is encoded. */
  readonly storedSize?: number
  readonly scan?: string
}

/** What a file shows to clients: never its key, tenant or backend. */
export interface StoredFileJson {
  name: string
  size: number
  type: string
  /** Null where no URL may be given here, for example to another tenant. */
  url: string | null
}

/** Where a file can be read and signed: its storage. */
export interface StoredFileHome {
  urlOf(file: StoredFileData): string
  signedUrlOf(file: StoredFileData, request: UrlRequest): Promise<string>
  streamOf(file: StoredFileData, range: ByteRange | undefined): Promise<Readable>
}

/** The URL that was given last, by which disk, and while it is given again. */
export interface UrlMemo extends SignedUrl {
  readonly by: object
}

/** Where a file comes from: shared by all files of one column, since thousands are made when rows are read. */
export interface StoredFileOrigin {
  readonly home: StoredFileHome
  /** What the file's column says of its URLs. */
  readonly column?: ColumnUrls
  /** What reads the rows that the file was read from. */
  readonly reader?: object
  /** `load`: the URL is made at once and lies on the file itself, for `{ ...file }` and GraphQL. Default: when it is read. */
  readonly resolve?: 'read' | 'load'
}

/** What only the class itself sees of its files; the functions below are its friends. */
interface Inside {
  originOf(value: unknown): StoredFileOrigin | undefined
  columnTextOf(file: StoredFile): string | undefined
  memoOf(file: StoredFile): UrlMemo | undefined
  remember(file: StoredFile, memo: UrlMemo): void
}

let inside: Inside
const MINT = Symbol('mint')

/**
 * The immutable value in an entity's file column and on `req.file.stored`. Only the library makes one: assigning
 * anything else to a file column throws, so `merge(entity, req.body)` plants no foreign key.
 *
 * @example
 * const order = await orders.findOneByOrFail({ id })
 * order.file?.url                                     // signed, private, the same for some minutes
 * await order.file?.signedUrl({ disposition: 'attachment', expiresIn: 60 })
 * res.json(order)                                     // { id, file: { name, size, type, url } }
 */
export class StoredFile implements StoredFileData {
  readonly disk!: string
  readonly backend!: string
  readonly tenant!: string | null
  readonly key!: string
  readonly name!: string
  readonly size!: number
  readonly type!: string
  readonly sha256!: string | null
  readonly version?: string
  readonly encoding?: string
  readonly storedSize?: number
  readonly scan?: string

  // The proof that a file comes from us: plain data cannot get in here, whatever fields a client sends. A WeakMap would
  // do the same, and take more time than all the rest of a file that is read from a row.
  readonly #origin: StoredFileOrigin
  /** The text of the column that the file was read from: an untouched row is written back to the letter. */
  readonly #columnText: string | undefined
  #memo: UrlMemo | undefined

  static {
    inside = {
      originOf: value =>
        typeof value === 'object' && value !== null && #origin in value ? value.#origin : undefined,
      columnTextOf: file => file.#columnText,
      memoOf: file => file.#memo,
      remember(file, memo) {
        file.#memo = memo
      },
    }
  }

  /** Not for applications: use {@link storeFile} or the Multer engine. @throws ERR_FILE_FORGED */
  constructor(mint: symbol, data: StoredFileData, origin: StoredFileOrigin, columnText: string | undefined) {
    if (mint !== MINT) throw forged()
    this.#origin = origin
    this.#columnText = columnText
    this.#memo = undefined
    this.disk = data.disk
    this.backend = data.backend
    this.tenant = data.tenant
    this.key = data.key
    this.name = data.name
    this.size = data.size
    this.type = data.type
    this.sha256 = data.sha256
    if (data.version !== undefined) this.version = data.version
    if (data.encoding !== undefined) this.encoding = data.encoding
    if (data.storedSize !== undefined) this.storedSize = data.storedSize
    if (data.scan !== undefined) this.scan = data.scan
  }

  /**
   * The address a browser can fetch: permanent on a public disk, otherwise signed and expiring. Made when it is
   * read, without waiting, and identical inside a window of time.
   *
   * @throws ERR_TENANT_REQUIRED, ERR_TENANT_MISMATCH (a private file of another tenant), ERR_BACKEND_UNKNOWN,
   *   ERR_NOT_READY
   */
  get url(): string {
    return originOf(this).home.urlOf(this)
  }

  /**
   * A signed address with a life, disposition, name or type of its own. Also where only a service can sign: `url` is
   * one of `serveFiles` then. @throws as {@link url}, ERR_CONFIG for a request that asks for what there is not
   */
  async signedUrl(request: UrlRequest = {}): Promise<string> {
    return originOf(this).home.signedUrlOf(this, request)
  }

  /** The bytes as a stream; destroy it when you do not read to the end. @throws ERR_FILE_NOT_FOUND, as {@link url} */
  async stream(options: { range?: ByteRange } = {}): Promise<Readable> {
    return originOf(this).home.streamOf(this, options.range)
  }

  /** All bytes at once. @throws as {@link stream} */
  async bytes(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of await this.stream()) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  /** Whether both are the same file. The backend does not count: moving house is no replacement. */
  equals(other: unknown): boolean {
    if (!isStoredFile(other)) return false
    // Without a key it is a row that nobody can read: all that is known of it is its text.
    if (this.key === '' && columnTextOf(this) !== columnTextOf(other)) return false
    return this.disk === other.disk && this.tenant === other.tenant && this.key === other.key
  }

  /** Never throws: where no URL can be given it is null, and the event `unresolved` says why. */
  toJSON(): StoredFileJson {
    const { name, size, type } = this
    return { name, size, type, url: urlOrNull(this) }
  }
}

// No private method: on a look-alike or behind a proxy that would throw.
function urlOrNull(file: StoredFile): string | null {
  try {
    // Not `file.url`: what a column resolved on load was made for whoever loaded it.
    return homeOf(file).urlOf(file)
  } catch (error) {
    const { disk, backend, tenant, key } = file
    publish('unresolved', { disk, backend, tenant, key, error })
    return null
  }
}

/** Makes a file; for the library's own rooms. */
export function mintStoredFile(
  origin: StoredFileOrigin,
  data: StoredFileData,
  columnText?: string,
): StoredFile {
  const file = new StoredFile(MINT, data, origin, columnText)
  if (origin.resolve === 'load') resolveUrl(file)
  Object.freeze(file)
  return file
}

/** An own property beside the getter. Where no URL can be given now there is none, and the getter says why. */
function resolveUrl(file: StoredFile): void {
  const url = urlOrNull(file)
  if (url !== null) Object.defineProperty(file, 'url', { value: url, enumerable: true })
}

/** What a file's column says of its URLs; undefined for a mere address. */
export function columnOf(target: unknown): ColumnUrls | undefined {
  return inside.originOf(target)?.column
}

/** The URL that was given for a file last; undefined for a mere address. */
export function urlMemoOf(target: unknown): UrlMemo | undefined {
  return isStoredFile(target) ? inside.memoOf(target) : undefined
}

/** Keeps the URL that was given for a file; a mere address keeps nothing. */
export function rememberUrl(target: unknown, memo: UrlMemo): void {
  if (isStoredFile(target)) inside.remember(target, memo)
}

/** Whether a value is a file of ours. A look-alike with the right fields is not. */
export function isStoredFile(value: unknown): value is StoredFile {
  return inside.originOf(value) !== undefined
}

/** The storage that a file belongs to. @throws ERR_FILE_FORGED */
export function homeOf(file: StoredFile): StoredFileHome {
  return originOf(file).home
}

/** The column text that a file was read from, or undefined for a new one. @throws ERR_FILE_FORGED */
export function columnTextOf(file: StoredFile): string | undefined {
  originOf(file)
  return inside.columnTextOf(file)
}

/** What read the row that a file comes from, or undefined for a new one. @throws ERR_FILE_FORGED */
export function readerOf(file: StoredFile): object | undefined {
  return originOf(file).reader
}

function originOf(file: StoredFile): StoredFileOrigin {
  const known = inside.originOf(file)
  if (known === undefined) throw forged()
  return known
}

function forged(): StorageError {
  return new StorageError(
    'ERR_FILE_FORGED',
    'This is not a stored file. A file column takes only req.file.stored, the result of storeFile(), a file that was loaded from the database, or null.',
  )
}
