import type { Readable } from 'node:stream'
import type { StorageError } from './errors.js'

/**
 * The contract between the library and one kind of storage. A driver knows keys, never tenants. It is small on
 * purpose: {@link Disk} derives everything else, and scoping it takes some thirty lines.
 *
 * Every method rejects with a `StorageError`. A key is 1 to 1,024 bytes of UTF-8 without empty, `.` and `..`
 * segments; a driver that is given another key, or one that its storage cannot hold, rejects with
 * `ERR_KEY_INVALID` and never rewrites it.
 */
export interface Driver {
  /** The kind of storage, for example `s3`. */
  readonly kind: string
  readonly capabilities: DriverCapabilities
  /** The bucket or container that holds the objects, where the storage has such. */
  readonly bucket?: string

  /** Loads and warms what the synchronous methods need. Idempotent; called before any other method. */
  ready(): Promise<void>

  /**
   * Stores an object whole or not at all: when the body fails, when `signal` aborts or when the backend
   * answers with an error, no object and no part of one is left. The body is consumed or destroyed. A StorageError
   * of the body or of the signal comes through as it is.
   *
   * @throws ERR_FILE_EXISTS when `ifNoneMatch` is `*` and the key is taken; the object there is untouched.
   *   ERR_UPLOAD_ABORTED when the body fails, was read before, or is not as long as `size` says
   */
  put(key: string, body: PutBody, options: PutOptions): Promise<PutResult>

  /** @throws ERR_FILE_NOT_FOUND, ERR_RANGE when the range lies outside of the object. */
  get(key: string, options?: GetOptions): Promise<GetResult>

  /** @throws ERR_FILE_NOT_FOUND */
  head(key: string, options?: OperationOptions): Promise<ObjectInfo>

  /** Deletes an object. One that is not there is no error. */
  delete(key: string, options?: OperationOptions): Promise<void>

  /**
   * Deletes many objects with few requests, however many keys there are. Absent where the storage has no such
   * request; the library then deletes them one by one, some at a time.
   *
   * @returns the keys that could not be deleted, each with its reason; one that is not there is none of them
   */
  deleteMany?(keys: readonly string[], options?: OperationOptions): Promise<readonly DeleteFailure[]>

  /**
   * The uploads in parts that were begun and neither completed nor aborted: their bytes are kept, and paid for.
   * Absent where the storage drops them by itself, or cannot say which there are.
   *
   * @param prefix as for `list`
   */
  listUploads?(prefix: string, options?: OperationOptions): AsyncIterable<OpenUpload>

  /** Ends an upload in parts and drops what came of it. One that is over already is no error. */
  abortUpload?(key: string, id: string, options?: OperationOptions): Promise<void>

  /**
   * All objects whose key starts with `prefix`, in the order of the keys' UTF-8 bytes.
   *
   * @param prefix empty, or ending with `/`: `acme` must never list `acme-corp/`.
   */
  list(prefix: string, options?: OperationOptions): AsyncIterable<ObjectEntry>

  /** Copies an object over whatever is at `to`, with its content type. @throws ERR_FILE_NOT_FOUND */
  copy(from: string, to: string, options?: CopyOptions): Promise<void>

  /**
   * Where an object lies, for {@link copyFrom} of another driver; known after `ready()`. Undefined, or no such method,
   * where no storage could fetch it by itself.
   */
  copySource?(key: string): CopySource | undefined

  /**
   * Copies an object of another bucket without its bytes passing through this process. It is stored whole or not at
   * all, with the headers of `options` and none of the source's.
   *
   * @returns undefined where the storage cannot, as for a source in another realm; nothing was done then
   * @throws ERR_FILE_NOT_FOUND without a source; ERR_FILE_EXISTS as `put`
   */
  copyFrom?(source: CopySource, key: string, options: CopyFromOptions): Promise<CopiedObject | undefined>

  /**
   * An expiring address of one object, made without waiting. A driver that cannot sign leaves the method out;
   * the library then signs an address of its own `serveFiles`.
   */
  signUrl?(key: string, options: SignUrlOptions): string

  /**
   * The same by asking a service for the signature, for credentials that hold no key of their own. Not asked for a longer
   * life than `capabilities.maxExpiresIn`.
   */
  signUrlRemotely?(key: string, options: SignUrlOptions & OperationOptions): Promise<string>

  /**
   * How many seconds a URL signed for `at` (milliseconds since 1970) can live: what is left of the credentials then.
   * Absent where they last for ever. At least 1.
   */
  signableFor?(at: number): number

  /**
   * The address of an object without a signature, which answers only where the bucket lets everybody read. A disk uses
   * it when it says so (`cdn: { mode: 'public' }`).
   */
  publicUrl?(key: string): string

  /**
   * The path of an object below the folder that holds them all, with `/` between its names, for a web server that
   * sends files of that folder by itself. Absent where objects are no files of this machine.
   */
  pathWithin?(key: string): string

  /** Ends sockets and timers. */
  close?(): Promise<void>
}

/** What a driver can do, as data: the table in the documentation is generated from it. */
export interface DriverCapabilities {
  /** `put` with `ifNoneMatch: '*'` has one winner among racers. */
  readonly createOnly: boolean
  /** The content type and disposition given to `put` come back from `head`. */
  readonly metadata: boolean
  /** The driver makes, without waiting, expiring addresses that the backend itself serves. */
  readonly signedUrls: boolean
  /** The longest life of a signed URL in seconds, also of one that takes asking a service; null where there is no signer. */
  readonly maxExpiresIn: number | null
  /** The ways of server-side encryption that `put` and `copy` can ask for; others would be ignored. */
  readonly encryption: readonly EncryptionAlgorithm[]
  /** The storage classes (on Azure: access tiers) that `put` and `copy` can ask for; others would be ignored. */
  readonly storageClasses: readonly string[]
}

/**
 * Who holds the key that the backend encrypts an object with: `AES256` (SSE-S3), `aws:kms` and `aws:kms:dsse`
 * ("Protecting data with server-side encryption", Amazon S3 User Guide), `azure:scope` ("Encryption scopes for Blob
 * storage", Azure documentation), `gcp:kms` ("Customer-managed encryption keys", Cloud Storage documentation).
 */
export type EncryptionAlgorithm = 'AES256' | 'aws:kms' | 'aws:kms:dsse' | 'azure:scope' | 'gcp:kms'

/** How the backend shall encrypt one object. */
export interface ObjectEncryption {
  algorithm: EncryptionAlgorithm
  /** The id of a KMS key, the name of an encryption scope; `AES256` has none. */
  keyId?: string
}

/** Bytes to store: all of them, in one piece or in several, or a stream that the driver consumes and destroys. */
export type PutBody = Uint8Array | readonly Uint8Array[] | Readable

export interface OperationOptions {
  signal?: AbortSignal
}

/** How an object is kept. What a driver does not list in its capabilities it leaves out. */
export interface KeepOptions {
  storageClass?: string
  encryption?: ObjectEncryption
}

/** A copy need not inherit storage class and encryption (on S3 it does not): where they matter they are said again. */
export interface CopyOptions extends OperationOptions, KeepOptions {}

/** An object as another bucket's driver names it. */
export interface CopySource {
  /**
   * Whoever has the same realm reaches the same bucket by the same name: the service with its region or account. It may
   * name an access key, so it is compared and never shown.
   */
  readonly realm: string
  readonly bucket: string
  readonly key: string
}

/** As for `put`, and of the source: */
export interface CopyFromOptions extends Omit<PutOptions, 'size' | 'atMost' | 'onLeftover'> {
  /** Its length in bytes: large objects may take several requests. */
  size: number
}

/** What a storage says of a copy that it made. */
export type CopiedObject = Omit<PutResult, 'size'>

export interface PutOptions extends OperationOptions, KeepOptions {
  contentType: string
  contentDisposition?: string
  cacheControl?: string
  /** The length of a streamed body in bytes, where it is known beforehand. */
  size?: number
  /** More bytes than these will not come, where that is known: a driver may then do with fewer requests. */
  atMost?: number
  /** `*`: create only; never overwrite. */
  ifNoneMatch?: '*'
  /** Told the id of a multipart upload before its first part, so that a reaper can abort it later. */
  onMultipart?: (uploadId: string) => Promise<void>
  /**
   * Told why the driver could not take back what it may have stored of a put that fails, such as parts of a multipart
   * upload. The put rejects with its first cause all the same.
   */
  onLeftover?: (error: unknown) => void
}

export interface PutResult {
  /** Bytes stored. */
  size: number
  etag?: string
  /** On a bucket that keeps versions. */
  version?: string
}

export interface GetOptions extends OperationOptions {
  range?: ByteRange
  /**
   * `known`: the caller does not use the type, disposition and cache control of `info`; a driver that has to look
   * for them may leave that.
   */
  headers?: 'known'
}

/** Offsets in bytes; both ends are included (RFC 9110, section 14.1.2). */
export type ByteRange = { start: number; end?: number } | { suffix: number }

export interface GetResult {
  body: Readable
  info: ObjectInfo
  /** The part that `body` holds, where a range was asked for. */
  range?: { start: number; end: number }
}

export interface ObjectInfo {
  /** Of the whole object, in bytes. */
  size: number
  contentType: string
  contentDisposition?: string
  cacheControl?: string
  etag?: string
  lastModified: Date
  version?: string
}

export interface ObjectEntry {
  key: string
  /** In bytes. */
  size: number
  lastModified: Date
}

/** A key that `deleteMany` could not delete. */
export interface DeleteFailure {
  readonly key: string
  readonly error: StorageError
}

/** An upload in parts that is under way, or was left behind. */
export interface OpenUpload {
  readonly key: string
  /** As `onMultipart` was told. */
  readonly id: string
}

export interface SignUrlOptions {
  /** `GET` also serves HEAD requests where the backend's signature allows it. */
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** The URL's life in seconds, from `at`. */
  expiresIn: number
  /** The moment of signing, in milliseconds since 1970. URLs signed for the same moment are identical. */
  at: number
  /** Answer with this Content-Disposition (signed: the client cannot change it). */
  contentDisposition?: string
  /** Answer with this Content-Type (signed). */
  contentType?: string
  /** Answer with this Cache-Control (signed). */
  cacheControl?: string
}
