import { randomUUID } from 'node:crypto'
import type { Request } from 'express'
import { bodyError } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import { assertFileName } from '../../core/file-name.js'
import { newFileKey } from '../../core/key.js'
import { acceptsType, type ResolvedRules } from '../../core/rules.js'
import type { Storage } from '../../core/storage.js'
import type { FileAddress, StoredFile } from '../../core/stored-file.js'
import { runWithTenant } from '../../core/tenant.js'
import { extensionFor, SNIFF_BYTES, sniffType } from '../../upload/sniff.js'
import { decodeFileName } from '../file-name-encoding.js'
import { tenantOf } from '../request-tenant.js'
import { watchForEnd } from '../watch-for-end.js'
import { GuardedBody } from './guarded-body.js'

/** One file that passes through to multer-s3: judged, named, and measured on its way. */
export interface Passage {
  readonly storage: Storage
  readonly rules: ResolvedRules
  readonly name: string
  readonly type: string
  readonly address: FileAddress
  readonly objectKey: string
  readonly body: GuardedBody
  /** Once it was asked for. */
  stored?: Promise<StoredFile>
}

/**
 * Judges a file by its first bytes and gives it a key of its tenant. From here on its bytes flow into the passage's
 * body alone.
 *
 * @throws ERR_TENANT_REQUIRED, ERR_FILE_NAME, ERR_FILE_EMPTY, ERR_FILE_TYPE, and what the body fails by
 */
export async function openPassage(
  storage: Storage,
  rules: ResolvedRules,
  req: Request,
  file: Express.Multer.File,
): Promise<Passage> {
  const disk = storage.disk(rules.disk)
  const tenant = tenantOf(req)
  await runWithTenant(tenant, () => disk.ready())
  const name = decodeFileName(file.originalname)
  assertFileName(name)
  const body = guard(storage, rules, req, file)
  try {
    const head = await body.head
    if (head.length === 0 && rules.empty === 'refuse')
      throw new StorageError('ERR_FILE_EMPTY', 'The file is empty.')
    const type = await sniffType(head, name)
    if (!acceptsType(rules, type)) {
      const accepted = rules.accept.join(', ')
      throw new StorageError('ERR_FILE_TYPE', `This is a file of type ${type}. Accepted here: ${accepted}.`)
    }
    const key = newFileKey(rules.folder, randomUUID(), extensionFor(type, name))
    const address = runWithTenant(tenant, () => disk.address(key, 'put'))
    return { storage, rules, name, type, address, objectKey: disk.objectKey(address), body }
  } catch (error) {
    body.destroy(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}

function guard(storage: Storage, rules: ResolvedRules, req: Request, file: Express.Multer.File): GuardedBody {
  const { stream } = file
  const { idleTimeout } = storage.uploads
  const body = new GuardedBody({ headSize: SNIFF_BYTES, maxSize: rules.maxSize, idleTimeout })
  const { signal, release } = watchForEnd(req, stream, rules)
  const onAbort = () => body.destroy(signal.reason)
  const onError = (error: Error) => body.destroy(bodyError(error))
  const onClose = () => {
    if (!stream.readableEnded) body.destroy(bodyError(new Error('closed before its end')))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  stream.on('error', onError).once('close', onClose)
  // What it fails by comes out of multer-s3 as well, unless that does not read it yet.
  body.on('error', () => {})
  body.once('close', () => {
    release()
    signal.removeEventListener('abort', onAbort)
    stream.off('error', onError).off('close', onClose).unpipe(body)
    stream.resume() // Multer waits for its end
  })
  if (signal.aborted) onAbort()
  else stream.pipe(body)
  return body
}
