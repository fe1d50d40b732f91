import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Request } from 'express'
import { assertFileName } from '../../core/file-name.js'
import { newFileKey } from '../../core/key.js'
import { maxSizeFor } from '../../core/max-size.js'
import type { ResolvedRules } from '../../core/rules.js'
import type { Storage } from '../../core/storage.js'
import type { FileAddress, StoredFile } from '../../core/stored-file.js'
import { runWithTenant } from '../../core/tenant.js'
import { assertAccepted } from '../../upload/accepted.js'
import type { Content } from '../../upload/content.js'
import { extensionFor, sniffContent } from '../../upload/sniff.js'
import { StreamedContent } from '../../upload/streamed-content.js'
import { decodeFileName } from '../file-name-encoding.js'
import { tenantOf } from '../request-tenant.js'
import { watchForEnd } from '../watch-for-end.js'

/** One file that passes through to multer-s3: judged, named, and measured on its way. */
export interface Passage {
  readonly storage: Storage
  readonly rules: ResolvedRules
  readonly name: string
  readonly type: string
  readonly address: FileAddress
  readonly objectKey: string
  readonly content: Content
  /** What multer-s3 shall read. Nothing but its failure tells multer-s3 that a file is cut, so every bound is one. */
  readonly body: Readable
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
  const claims = { name: decodeFileName(file.originalname), type: file.mimetype }
  assertFileName(claims.name)
  const { content, signal, release } = watched(storage, rules, req, file)
  try {
    await runWithTenant(tenant, () => disk.ready())
    const of = { tenant, field: rules.field ?? file.fieldname }
    content.start(await maxSizeFor(rules.maxSize, of, { timeout: storage.uploads.maxSizeTimeout, signal }))
    const type = await sniffContent(content, claims.name)
    assertAccepted(rules, type, content, claims)
    const key = newFileKey(rules.folder, randomUUID(), extensionFor(type, claims.name))
    const address = runWithTenant(tenant, () => disk.address(key, 'put'))
    const body = toReadable(await content.body())
    body.once('close', release)
    return {
      storage,
      rules,
      name: claims.name,
      type,
      address,
      objectKey: disk.objectKey(address),
      content,
      body,
    }
  } catch (error) {
    release()
    throw error
  }
}

function watched(storage: Storage, rules: ResolvedRules, req: Request, { stream }: Express.Multer.File) {
  const abort = new AbortController()
  const { idleTimeout } = storage.uploads
  // A failure of its own reaches multer-s3 by the body.
  const content = new StreamedContent(stream, {
    idleTimeout,
    total: undefined,
    onFailure: () => {},
    progress: undefined,
  })
  const release = watchForEnd(req, stream, rules, reason => {
    abort.abort(reason)
    content.fail(reason)
  })
  return {
    content,
    signal: abort.signal,
    release: () => {
      release()
      content.release()
      stream.resume() // Multer waits for its end
    },
  }
}

function toReadable(body: Awaited<ReturnType<Content['body']>>): Readable {
  if (body instanceof Readable) return body
  return Readable.from(body instanceof Uint8Array ? [body] : body)
}
