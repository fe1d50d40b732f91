import { AsyncResource } from 'node:async_hooks'
import { extname } from 'node:path'
import mimeTypes from 'mime-types'
import { throwIfAborted } from '../../core/abort.js'
import type { Disk } from '../../core/disk.js'
import { StorageError } from '../../core/errors.js'
import { assertListPrefix, isObjectKey } from '../../core/key.js'
import { assertKnownOptions } from '../../core/known-options.js'
import { withCharset } from '../../core/media-type.js'
import type { Storage } from '../../core/storage.js'
import { runAsSystem } from '../../core/tenant.js'
import { hashedKeys } from './hashed-names.js'
import { PUSH_OPTIONS, type PushStaticOptions, type StaticPush } from './push-options.js'
import { RECORD_NAME } from './push-record.js'
import { PushRun, type StaticFile } from './push-run.js'
import { staticDisk } from './static-disk.js'
import { findFiles } from './static-files.js'

const DAY = 86_400

// Never checked again (RFC 8246): other bytes have another name.
const IMMUTABLE = 'public, max-age=31536000, immutable'
const SHORT = 'public, max-age=60, must-revalidate'

/**
 * Fills the static disk from a folder: what is new or has changed is uploaded, and nothing is deleted unless asked.
 * It runs outside of any tenant (the event `system`).
 *
 * Hashed files go first, so that no page is ever there before what it links; deletion comes last. A push that fails
 * has stored what it told to `onProgress`, and the next one does the rest.
 *
 * @param dir the folder, for example `dist/client`
 * @throws ERR_CONFIG for a disk, an option, a folder or names that will not do, before anything is stored.
 *   ERR_UPLOAD_ABORTED when the signal aborts or a file changes meanwhile, and the backend's errors
 * @example
 * const { uploaded, unchanged } = await pushStatic(storage, 'dist/client')
 */
export async function pushStatic(
  storage: Storage,
  dir: string,
  options: PushStaticOptions = {},
): Promise<StaticPush> {
  assertKnownOptions('pushStatic()', options, PUSH_OPTIONS)
  const disk = writableDisk(storage, options.disk)
  const { prefix = '', signal } = options
  const { stale = 'keep', staleAfter = DAY, concurrency = 8, dotFiles = 'skip' } = checked(options)
  throwIfAborted(signal)
  const files = await plan(disk, dir, { ...options, prefix, dotFiles })
  // The caller's function stays where the caller is, and does not become the system.
  const onProgress = AsyncResource.bind(options.onProgress ?? (() => {}))
  return runAsSystem('push static files', async () => {
    await disk.ready()
    return new PushRun(disk, files, { prefix, stale, staleAfter, concurrency, onProgress, signal }).run()
  })
}

function writableDisk(storage: Storage, name: string | undefined): Disk {
  const disk = staticDisk(storage, name)
  if (disk.options.overwrite === 'allow') return disk
  throw new StorageError(
    'ERR_CONFIG',
    `The disk "${disk.name}" keeps what it has: give it overwrite: "allow" to push static files.`,
  )
}

/** A misspelt word here would delete files or publish `.env`, so nothing is taken for a default. */
function checked(options: PushStaticOptions): PushStaticOptions {
  const { prefix = '', stale, staleAfter = 0, concurrency = 1, dotFiles } = options
  assertListPrefix(prefix)
  const fault =
    (![undefined, 'keep', 'delete'].includes(stale) && 'stale is "keep" or "delete".') ||
    (![undefined, 'skip', 'include'].includes(dotFiles) && 'dotFiles is "skip" or "include".') ||
    (!(staleAfter >= 0) && 'staleAfter is a number of seconds, 0 or more.') ||
    (!(Number.isInteger(concurrency) && concurrency > 0) && 'concurrency is a whole number, 1 or more.')
  if (fault) throw new StorageError('ERR_CONFIG', fault)
  return options
}

async function plan(
  disk: Disk,
  dir: string,
  { prefix, dotFiles, cacheControl }: PushStaticOptions & { prefix: string; dotFiles: 'skip' | 'include' },
): Promise<StaticFile[]> {
  const isStorable = (name: string) =>
    name !== RECORD_NAME && isObjectKey(`${disk.options.location}/${prefix}${name}`)
  const found = await findFiles(dir, { dotFiles, isStorable })
  const hashed = hashedKeys(found.map(({ name }) => name))
  return found.map(file => {
    const isHashed = hashed.has(file.name)
    return {
      ...file,
      key: prefix + file.name,
      isHashed,
      contentType: typeOf(file.name),
      cacheControl: cacheControl?.(file.name) ?? (isHashed ? IMMUTABLE : SHORT),
    }
  })
}

function typeOf(name: string): string {
  // Without the dot, a file called `html` would be one.
  return withCharset(mimeTypes.lookup(extname(name)) || 'application/octet-stream')
}
