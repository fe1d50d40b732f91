import { Readable } from 'node:stream'
import { StorageError } from '../core/errors.js'
import { type FileRules, resolveRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'
import { receiveFile } from './receive-file.js'

/** What else {@link storeFile} should know. */
export interface StoreFileOptions {
  /** The file's name, as people shall see it; its extension helps to tell text types apart. */
  name: string
  /** Ends the upload early; nothing of it stays. */
  signal?: AbortSignal
}

/**
 * Stores bytes of the application itself as a file of the current tenant, through the same pipeline as an
 * upload. Until a row with the file is saved it belongs to nobody; the ledger knows it as pending.
 *
 * @param body all bytes, or a stream, which is consumed or destroyed
 * @throws ERR_TENANT_REQUIRED, ERR_FILE_NAME, ERR_FILE_EMPTY, ERR_FILE_TYPE, ERR_FILE_TOO_LARGE,
 *   ERR_UPLOAD_ABORTED, ERR_UPLOAD_TIMEOUT, the backend's and the ledger's errors
 * @example
 * invoice.pdf = await storeFile(storage, pdf, rulesOf(Invoice, 'pdf'), { name: 'invoice-2026-11.pdf' })
 * await invoices.save(invoice)
 */
export async function storeFile(
  storage: Storage,
  body: Uint8Array | Readable,
  rules: FileRules,
  options: StoreFileOptions,
): Promise<StoredFile> {
  if (body instanceof Uint8Array) return receiveFile(storage, body, resolveRules(rules), options)
  if (!(body instanceof Readable))
    throw new StorageError('ERR_CONFIG', 'storeFile takes a Buffer, a Uint8Array or a Readable stream.')
  // For what may still fail in it when nobody reads it any more, such as the opening of a missing file.
  body.on('error', ignore)
  try {
    return await receiveFile(storage, body, resolveRules(rules), options)
  } finally {
    body.destroy()
    if (body.closed) body.off('error', ignore)
    else body.once('close', () => body.off('error', ignore))
  }
}

function ignore(): void {}
