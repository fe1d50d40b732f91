import type { Request } from 'express'
import type { Options } from 'multer'
import { StorageError } from '../core/errors.js'
import { isThenable } from '../core/thenable.js'

/** Multer's limits. */
export type UploadLimits = NonNullable<Options['limits']>

/**
 * Limits of Multer's own that depend on the request, for example by tenant. Multer 2.5 takes a function here, asked
 * once for each request; its types do not know that yet (@types/multer 2.3.0), and this does. What the function
 * throws goes to the error handler; so does ERR_CONFIG where it is async, because Multer would take a promise for no limits.
 * It runs before the body arrives, so `getTenant()` works.
 *
 * The size that a tenant may upload belongs to the rules (`maxSize`), which count for every way in.
 *
 * @example
 * multer({ storage, limits: limitsByRequest(() => ({ files: plans[getTenant()].files })) })
 */
export function limitsByRequest(limits: (req: Request) => UploadLimits): UploadLimits {
  const ask = (req: Request): UploadLimits => {
    const found = limits(req)
    if (!isThenable(found)) return found
    found.then(undefined, () => {}) // or its own failure would end the process
    throw new StorageError(
      'ERR_CONFIG',
      'The function of limitsByRequest() gave a promise. Multer does not wait.',
    )
  }
  return ask as unknown as UploadLimits
}
