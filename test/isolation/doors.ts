import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { Disk } from '../../src/core/disk.js'
import type { Driver } from '../../src/core/driver.js'
import { onStorageEvent } from '../../src/core/events.js'
import type { Storage } from '../../src/core/storage.js'
import { type FileAddress, mintStoredFile, type StoredFile } from '../../src/core/stored-file.js'

export const TEXT = { contentType: 'text/plain' }
const COPIED = { ...TEXT, size: 5 }
export const BYTES = Buffer.from('hello')

/** What a door is tried on. */
export interface Place {
  storage: Storage
  /** One of the storage's disks. */
  disk: Disk
  /** A driver that sees one tenant's keys of that disk. */
  scoped: Driver
}

export type Target = string | FileAddress

/**
 * How a method is called, by what it takes: `target` (a key or an address), `address`, `key` (no address),
 * `prefix`, `tail` (an address of `serveFiles`), or `caller` (nothing but who calls). `nothing`: a sentence says why
 * there is nobody's file behind it.
 */
export type Door =
  | ({ by: 'target'; call: (place: Place, target: Target) => unknown } & Ways)
  | ({ by: 'address'; call: (place: Place, address: FileAddress) => unknown } & Ways)
  | ({ by: 'key'; call: (place: Place, key: string) => unknown } & Ways)
  | ({ by: 'prefix'; call: (place: Place, prefix: string) => unknown } & Ways)
  | ({ by: 'tail'; call: (place: Place, tail: string) => unknown } & Ways)
  | ({ by: 'caller'; call: (place: Place) => unknown } & Ways)
  | { by: 'nothing'; because: string }

interface Ways {
  /** The operation in the event `denied`; the method's own name where it is left out. */
  asks?: string
  /** `free`: it works on a key that is not taken. */
  on?: 'free'
  /** `names`: it works names out and never calls a backend. */
  only?: 'names'
}

/** A file of this address, as it would come out of the database. */
export function fileAt({ storage }: Place, address: FileAddress): StoredFile {
  return mintStoredFile(
    { home: storage },
    { ...address, name: 'a.txt', size: 5, type: 'text/plain', sha256: null },
  )
}

/**
 * THE table: every public method and getter, and how a tenant would reach for a file through it. A method that is
 * missing here fails a test by its name, and a row of it is all that a new method needs to go through every
 * hostile situation.
 */
export const DOORS: Record<string, Record<string, Door | readonly Door[]>> = {
  Disk: {
    put: { by: 'target', on: 'free', call: ({ disk }, to) => disk.put(to, BYTES, TEXT) },
    get: { by: 'target', call: async ({ disk }, from) => text((await disk.get(from)).body) },
    head: { by: 'target', call: ({ disk }, from) => disk.head(from) },
    delete: { by: 'target', call: ({ disk }, from) => disk.delete(from) },
    copy: [
      { by: 'target', call: ({ disk }, from) => disk.copy(from, `copy-${randomUUID()}.txt`) },
      { by: 'key', on: 'free', call: ({ disk }, to) => disk.copy('a.txt', to) },
    ],
    copyFrom: [
      {
        by: 'address',
        asks: 'get',
        call: ({ disk }, from) => disk.copyFrom(from, { ...from, key: `copy-${randomUUID()}.txt` }, COPIED),
      },
      {
        by: 'address',
        asks: 'get',
        on: 'free',
        call: ({ disk }, to) => disk.copyFrom({ ...to, key: 'a.txt' }, to, COPIED),
      },
    ],
    list: { by: 'prefix', call: ({ disk }, below) => keysIn(disk.list(below)) },
    url: { by: 'target', asks: 'signedUrl', call: ({ disk }, from) => disk.url(from) },
    signedUrl: { by: 'target', call: ({ disk }, from) => disk.signedUrl(from) },
    signMany: { by: 'target', call: ({ disk }, from) => disk.signMany([from]) },
    // These two are for the library's own rooms, which use them together: the one asks who, the other spells it out.
    address: {
      by: 'target',
      asks: 'get',
      only: 'names',
      call: ({ disk }, from) => disk.objectKey(disk.address(from, 'get')),
    },
    objectKey: {
      by: 'target',
      asks: 'delete',
      only: 'names',
      call: ({ disk }, from) => disk.objectKey(disk.address(from, 'delete')),
    },
    assertWritable: { by: 'caller', call: ({ disk }) => disk.assertWritable() },
    ready: { by: 'caller', call: ({ disk }) => disk.ready() },
    isReady: { by: 'caller', call: ({ disk }) => disk.isReady },
    purge: {
      by: 'nothing',
      because: 'It tells a CDN to forget its copy of an object; nothing is read or changed.',
    },
    readyUrls: {
      by: 'nothing',
      because: 'It loads the signer of a CDN at start-up, before there is any tenant.',
    },
  },
  Storage: {
    ready: { by: 'nothing', because: 'It opens all backends at start-up, before there is any tenant.' },
    close: { by: 'nothing', because: 'It ends the sockets of the whole process.' },
    diskNames: { by: 'nothing', because: 'The names are the set-up, the same for everyone.' },
    longestUrl: { by: 'nothing', because: 'It is a number of the set-up, the same for everyone.' },
    backendNames: { by: 'nothing', because: 'The names are the set-up, the same for everyone.' },
    environment: { by: 'nothing', because: 'It is a name of the set-up, the same for everyone.' },
    environmentOf: {
      by: 'nothing',
      because:
        'It reads the name that a backend carries, beside the files of all tenants; no request gets there.',
    },
    writesTo: { by: 'nothing', because: 'It names a backend of the set-up.' },
    urlRuleFields: { by: 'nothing', because: 'The names are the set-up, the same for everyone.' },
    disk: { by: 'nothing', because: 'It gives a Disk, and every method of that has its own row.' },
    openServed: {
      by: 'nothing',
      because: 'It opens what a verified address names, and verifyUrl has its own row.',
    },
    openForMaintenance: {
      by: 'nothing',
      because: 'The reaper and reconcile look after the files of all tenants; no request gets there.',
    },
    verifyUrl: { by: 'tail', call: ({ storage }, tail) => storage.verifyUrl(tail) },
    urlOf: { by: 'address', asks: 'signedUrl', call: (at, from) => at.storage.urlOf(fileAt(at, from)) },
    signedUrlOf: {
      by: 'address',
      asks: 'signedUrl',
      call: (at, from) => at.storage.signedUrlOf(fileAt(at, from), {}),
    },
    streamOf: {
      by: 'address',
      asks: 'get',
      call: async (at, from) => text(await at.storage.streamOf(fileAt(at, from), undefined)),
    },
  },
  StoredFile: {
    url: { by: 'address', asks: 'signedUrl', call: (at, from) => fileAt(at, from).url },
    signedUrl: { by: 'address', call: (at, from) => fileAt(at, from).signedUrl() },
    stream: { by: 'address', asks: 'get', call: async (at, from) => text(await fileAt(at, from).stream()) },
    bytes: { by: 'address', asks: 'get', call: async (at, from) => `${await fileAt(at, from).bytes()}` },
    toJSON: { by: 'address', asks: 'signedUrl', call: (at, from) => urlInJson(fileAt(at, from)) },
    equals: { by: 'nothing', because: 'It compares two files that the caller holds, and asks nobody.' },
  },
  'a scoped driver': {
    ready: { by: 'nothing', because: 'It warms the backend, whoever will use it.' },
    close: { by: 'nothing', because: 'It ends the sockets of the backend.' },
    put: { by: 'key', on: 'free', call: ({ scoped }, to) => scoped.put(to, BYTES, TEXT) },
    get: { by: 'key', call: async ({ scoped }, from) => text((await scoped.get(from)).body) },
    head: { by: 'key', call: ({ scoped }, from) => scoped.head(from) },
    delete: { by: 'key', call: ({ scoped }, from) => scoped.delete(from) },
    deleteMany: { by: 'key', call: ({ scoped }, from) => scoped.deleteMany?.([from]) },
    listUploads: { by: 'prefix', call: ({ scoped }, below) => keysIn(scoped.listUploads?.(below) ?? none()) },
    abortUpload: { by: 'key', call: ({ scoped }, key) => scoped.abortUpload?.(key, 'an upload') },
    copy: [
      { by: 'key', call: ({ scoped }, from) => scoped.copy(from, `copy-${randomUUID()}.txt`) },
      { by: 'key', on: 'free', call: ({ scoped }, to) => scoped.copy('a.txt', to) },
    ],
    copySource: { by: 'key', call: ({ scoped }, from) => scoped.copySource?.(from) },
    copyFrom: {
      by: 'key',
      on: 'free',
      call: ({ scoped }, to) =>
        scoped.copyFrom?.({ realm: 'spies', bucket: 'spy', key: 'media/acme/a.txt' }, to, COPIED),
    },
    list: { by: 'prefix', call: ({ scoped }, below) => keysIn(scoped.list(below)) },
    signUrl: {
      by: 'key',
      call: ({ scoped }, key) => scoped.signUrl?.(key, { method: 'GET', expiresIn: 60, at: Date.now() }),
    },
    signUrlRemotely: {
      by: 'key',
      call: async ({ scoped }, key) =>
        scoped.signUrlRemotely?.(key, { method: 'GET', expiresIn: 60, at: Date.now() }),
    },
    signableFor: { by: 'nothing', because: 'It says how long credentials last, whatever they sign.' },
    publicUrl: { by: 'key', call: ({ scoped }, key) => scoped.publicUrl?.(key) },
    pathWithin: { by: 'key', call: ({ scoped }, key) => scoped.pathWithin?.(key) },
  },
}

/** One door under a name for tests, such as `Disk.copy (2)`. */
export interface NamedDoor<D extends Door = Door> {
  name: string
  subject: string
  method: string
  door: D
}

type DoorBy<K extends Door['by']> = Extract<Door, { by: K }>

/** The doors that take one of these. */
export function doorsBy<K extends Door['by']>(...kinds: K[]): NamedDoor<DoorBy<K>>[] {
  const takes = (each: NamedDoor): each is NamedDoor<DoorBy<K>> => kinds.some(kind => kind === each.door.by)
  return ALL.filter(takes)
}

const ALL: NamedDoor[] = Object.entries(DOORS).flatMap(([subject, methods]) =>
  Object.entries(methods).flatMap(([method, doors]) =>
    [doors].flat().map((door, index) => ({
      name: `${subject}.${method}${index === 0 ? '' : ` (${index + 1})`}`,
      subject,
      method,
      door,
    })),
  ),
)

/** What has to have a row: the functions and getters of an object, its own and those of its class. */
export function membersOf(subject: object): string[] {
  const own = Object.entries(subject).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
  return [...own, ...methodsOf(Object.getPrototypeOf(subject))]
}

/** The functions and getters of a class. */
export function methodsOf(prototype: object): string[] {
  if (prototype === Object.prototype) return []
  const inherited = methodsOf(Object.getPrototypeOf(prototype))
  return [...Object.getOwnPropertyNames(prototype).filter(name => name !== 'constructor'), ...inherited]
}

async function* none(): AsyncGenerator<{ key: string }> {}

export async function keysIn(entries: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of entries) keys.push(key)
  return keys
}

/** `toJSON` never throws; the event says what it met. */
function urlInJson(file: StoredFile): string {
  let cause: unknown
  const stop = onStorageEvent('unresolved', ({ error }) => {
    cause = error
  })
  const { url } = file.toJSON()
  stop()
  if (url === null) throw cause
  return url
}
