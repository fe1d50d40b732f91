import type { Request } from 'express'
import { StorageError } from '../../core/errors.js'
import { mintStoredFile, type StoredFile } from '../../core/stored-file.js'
import { runWithTenant } from '../../core/tenant.js'
import { tenantOf } from '../request-tenant.js'
import { passageOf } from './multer-s3-options.js'
import type { Passage } from './passage.js'

/**
 * The `StoredFile` of a file that multer-s3 stored by {@link multerS3Options}, to be assigned to a file column. Asks the
 * storage's own backend whether the object is there, whole, and writes it down in the ledger.
 *
 * Until then the ledger does not know the object: nothing removes one that no row points to.
 *
 * @throws ERR_FILE_FORGED for a file of another request or another way; ERR_FILE_NOT_FOUND where multer-s3 wrote to
 *   another bucket than the storage's; ERR_BACKEND for another size, and the backend's and the ledger's errors
 * @example
 * order.file = await storedByMulterS3(req, req.file)
 */
export async function storedByMulterS3(req: Request, file: Express.Multer.File): Promise<StoredFile> {
  const passage = passageOf(req, file)
  passage.stored ??= runWithTenant(tenantOf(req), () => register(passage)).catch((error: unknown) => {
    passage.stored = undefined // so that it can be tried again
    throw error
  })
  return passage.stored
}

async function register({
  storage,
  rules,
  name,
  type,
  address,
  objectKey,
  content,
}: Passage): Promise<StoredFile> {
  const disk = storage.disk(address.disk)
  const { backend, tenant } = address
  const { size } = content
  const staged = await storage.ledgers
    .of(tenant)
    .stage({ backend, objectKey, disk: disk.name, tenant, atMost: size })
  try {
    const found = await disk.head(address)
    if (found.size !== size)
      throw new StorageError('ERR_BACKEND', `The backend has ${found.size} of ${size} bytes.`, { backend })
    await staged.confirm(size)
    const facts = { name, size, type, sha256: content.sha256(), version: found.version }
    return mintStoredFile({ home: storage, column: rules }, { ...address, ...facts })
  } catch (error) {
    // The line goes and the object stays: who stored it may have other plans for it.
    await staged.abandon()
    throw error
  }
}
