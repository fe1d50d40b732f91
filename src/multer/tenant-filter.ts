import type { Request } from 'express'
import type { FileFilterCallback, Options } from 'multer'
import { runWithTenant } from '../core/tenant.js'
import { decodeFileName } from './file-name-encoding.js'
import { tenantOf } from './request-tenant.js'

/** What Multer takes as `fileFilter`. It may be async; what it throws refuses the file. */
export type FileFilter = (
  req: Request,
  file: Express.Multer.File,
  callback: FileFilterCallback,
) => void | Promise<void>

/**
 * Runs a `fileFilter` as the request's tenant, with the file's name as the client wrote it. By itself Multer calls it
 * from a socket event, where there is no tenant, with a name in Latin-1; and one that throws ends the process.
 *
 * A filter sees what the client says of the file, since none of its bytes has been looked at: types belong to `accept`.
 *
 * @example
 * const upload = multer({
 *   storage: tenantStorage(storage, rules),
 *   fileFilter: tenantFilter(async (_req, file, done) => done(null, await isWanted(getTenant(), file.originalname))),
 * })
 */
export function tenantFilter(filter: FileFilter): NonNullable<Options['fileFilter']> {
  return (req, file, callback) => {
    const settle = onceOnly(callback)
    // A copy: the engine decodes the name of the original, and must not do it twice.
    const named = { ...file, originalname: decodeFileName(file.originalname) }
    asTenantOf(req, () => filter(req, named, settle)).catch(settle)
  }
}

async function asTenantOf(req: Request, fn: () => void | Promise<void>): Promise<void> {
  await runWithTenant(tenantOf(req), fn)
}

function onceOnly(callback: FileFilterCallback): FileFilterCallback {
  let isSettled = false
  return (error: Error | null, accept?: boolean) => {
    if (isSettled) return
    isSettled = true
    if (error === null || error === undefined) callback(null, accept === true)
    else callback(error)
  }
}
