import { Readable } from 'node:stream'
import { assertSignal } from '../core/abort.js'
import { assertKnownOptions, type OptionNames } from '../core/known-options.js'
import { type FileRules, resolveRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import { assertUploadTime } from '../core/storage-options.js'
import type { StoredFile } from '../core/stored-file.js'
import { type IncomingFile, receiveFile } from './receive-file.js'
import { type FileBody, openSource } from './sources/open-source.js'

/** What else {@link storeFile} should know. */
export interface StoreFileOptions
  extends Pick<IncomingFile, 'type' | 'size' | 'signal' | 'idleTimeout' | 'deadline' | 'onProgress'> {
  /**
   * The file's name, as people shall see it; its extension helps to tell text types apart. A File, a path and a URL
   * bring one; everything else needs it.
   */
  name?: string
}

const OPTIONS: OptionNames<StoreFileOptions> = {
  name: 'known',
  type: 'known',
  size: 'known',
  signal: 'known',
  idleTimeout: 'known',
  deadline: 'known',
  onProgress: 'known',
}

/**
 * Stores bytes of the application itself as a file of the current tenant, through the same pipeline as an
 * upload. Until a row with the file is saved it belongs to nobody; the ledger knows it as pending.
 *
 * @param body a stream is consumed or destroyed
 * @throws ERR_CONFIG for rules and options that are none, ERR_TENANT_REQUIRED, ERR_FILE_NAME, ERR_FILE_EMPTY, ERR_FILE_TYPE, ERR_FILE_TOO_LARGE, ERR_LIMIT_UNKNOWN,
 *   ERR_SOURCE_REFUSED, ERR_SOURCE_FAILED, ERR_UPLOAD_ABORTED, ERR_UPLOAD_TIMEOUT, the backend's and the ledger's errors
 * @example
 * invoice.pdf = await storeFile(storage, pdf, rulesOf(Invoice, 'pdf'), { name: 'invoice-2026-11.pdf' })
 * await invoices.save(invoice)
 * @example
 * logo.file = await storeFile(storage, { url: form.logoUrl }, rulesOf(Logo, 'file'))
 */
export async function storeFile(
  storage: Storage,
  body: FileBody,
  rules: FileRules,
  options: StoreFileOptions = {},
): Promise<StoredFile> {
  const guarded = body instanceof Readable ? guard(body) : undefined
  try {
    assertKnownOptions('storeFile()', options, OPTIONS)
    assertSignal(options.signal)
    const resolved = resolveRules(rules)
    storage.disk(resolved.disk).assertWritable() // before a file or another server is asked
    const { signal, idleTimeout: timeout = storage.uploads.idleTimeout } = options
    assertUploadTime(timeout)
    const { source, ...known } = await openSource(body, { signal, timeout })
    const release = source instanceof Readable && source !== body ? guard(source) : undefined
    try {
      const { name = known.name ?? '', type = known.type, size = known.size, ...rest } = options
      return await receiveFile(storage, source, resolved, { ...rest, name, type, size })
    } finally {
      release?.()
    }
  } finally {
    guarded?.()
  }
}

/**
 * Hears what may fail in a stream when nobody reads it any more, such as the opening of a missing file.
 *
 * @returns ends the stream, and the listening with it
 */
function guard(source: Readable): () => void {
  source.on('error', ignore)
  return () => {
    const letGo = () => void source.off('error', ignore)
    source.destroy()
    // A stream calls itself closed a moment before it says why.
    if (source.closed) setImmediate(letGo)
    else source.once('close', letGo)
  }
}

function ignore(): void {}
