import { endBody } from './body.js'
import type {
  CopyFromOptions,
  CopyOptions,
  CopySource,
  DeleteFailure,
  Driver,
  GetOptions,
  ObjectEntry,
  OpenUpload,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
  SignUrlOptions,
} from './driver.js'
import { StorageError } from './errors.js'
import { assertListPrefix, assertObjectKey } from './key.js'

/**
 * A driver that sees nothing but what lies below `prefix`. Every key is checked before the prefix goes in front
 * of it, so no key climbs out; `list` gives keys as the caller knows them.
 *
 * @param prefix ends with `/`
 * @throws ERR_KEY_INVALID for a prefix without the slash: `acme` would also reach `acme-corp`
 */
export function scopeDriver(driver: Driver, prefix: string): Driver {
  if (!prefix.endsWith('/')) throw new StorageError('ERR_KEY_INVALID', 'A prefix must end with "/".')
  const inside = (key: string): string => {
    // Judged as a whole: the prefix ends with a slash, so a key that is wrong by itself is wrong here too.
    const objectKey = typeof key === 'string' ? prefix + key : key
    assertObjectKey(objectKey)
    return objectKey
  }
  const put = (key: string, body: PutBody, options: PutOptions): Promise<PutResult> => {
    let objectKey: string
    try {
      objectKey = inside(key)
    } catch (error) {
      endBody(body) // the driver would have, had it been called
      return Promise.reject(error)
    }
    return driver.put(objectKey, body, options)
  }
  return {
    kind: driver.kind,
    capabilities: driver.capabilities,
    bucket: driver.bucket,
    ready: () => driver.ready(),
    put,
    get: async (key: string, options?: GetOptions) => driver.get(inside(key), options),
    head: async (key: string, options?: OperationOptions) => driver.head(inside(key), options),
    delete: async (key: string, options?: OperationOptions) => driver.delete(inside(key), options),
    deleteMany:
      driver.deleteMany &&
      (async (keys: readonly string[], options?: OperationOptions) => {
        const failures = (await driver.deleteMany?.(keys.map(inside), options)) ?? []
        return failures.map(failure => outside<DeleteFailure>(prefix, failure))
      }),
    listUploads:
      driver.listUploads &&
      ((below: string, options?: OperationOptions) => uploadsBelow(driver, prefix, below, options)),
    abortUpload:
      driver.abortUpload &&
      (async (key: string, id: string, options?: OperationOptions) =>
        driver.abortUpload?.(inside(key), id, options)),
    copy: async (from: string, to: string, options?: CopyOptions) =>
      driver.copy(inside(from), inside(to), options),
    copySource: driver.copySource && ((key: string) => driver.copySource?.(inside(key))),
    // The source is another driver's, which has put its own prefix in front.
    copyFrom:
      driver.copyFrom &&
      (async (source: CopySource, key: string, options: CopyFromOptions) =>
        driver.copyFrom?.(source, inside(key), options)),
    list: (below: string, options?: OperationOptions) => listBelow(driver, prefix, below, options),
    signUrl: driver.signUrl && ((key: string, options: SignUrlOptions) => sign(driver, inside(key), options)),
    signUrlRemotely:
      driver.signUrlRemotely &&
      (async (key: string, options: SignUrlOptions & OperationOptions) =>
        driver.signUrlRemotely?.(inside(key), options) ?? unsigned(driver)),
    signableFor: driver.signableFor && ((at: number) => driver.signableFor?.(at) ?? Number.POSITIVE_INFINITY),
    publicUrl: driver.publicUrl && ((key: string) => driver.publicUrl?.(inside(key)) ?? ''),
    pathWithin: driver.pathWithin && ((key: string) => driver.pathWithin?.(inside(key)) ?? ''),
    close: driver.close && (async () => driver.close?.()),
  }
}

async function* listBelow(
  driver: Driver,
  prefix: string,
  below: string,
  options?: OperationOptions,
): AsyncGenerator<ObjectEntry> {
  assertListPrefix(below)
  for await (const entry of driver.list(prefix + below, options)) {
    yield outside(prefix, entry)
  }
}

async function* uploadsBelow(
  driver: Driver,
  prefix: string,
  below: string,
  options?: OperationOptions,
): AsyncGenerator<OpenUpload> {
  assertListPrefix(below)
  for await (const upload of driver.listUploads?.(prefix + below, options) ?? []) {
    yield outside(prefix, upload)
  }
}

/** The same with the key as the caller knows it. */
function outside<T extends { readonly key: string }>(prefix: string, entry: T): T {
  return { ...entry, key: entry.key.slice(prefix.length) }
}

function sign(driver: Driver, objectKey: string, options: SignUrlOptions): string {
  return driver.signUrl?.(objectKey, options) ?? unsigned(driver)
}

function unsigned(driver: Driver): never {
  throw new StorageError('ERR_UNSUPPORTED', `The ${driver.kind} driver does not sign URLs.`)
}
