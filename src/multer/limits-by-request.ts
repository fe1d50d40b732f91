import type { Request } from 'express'
import type { Options } from 'multer'

/** Multer's limits. */
export type UploadLimits = NonNullable<Options['limits']>

/**
 * Limits of Multer's own that depend on the request, for example by tenant. Multer 2.5 takes a function here, asked
 * once for each request; its types do not know that yet (@types/multer 2.3.0), and this does. What the function
 * throws goes to the error handler. It runs before the body arrives, so `getTenant()` works.
 *
 * The size that a tenant may upload belongs to the rules (`maxSize`), which count for every way in.
 *
 * @example
 * multer({ storage, limits: limitsByRequest(() => ({ files: plans[getTenant()].files })) })
 */
export function limitsByRequest(limits: (req: Request) => UploadLimits): UploadLimits {
  return limits as unknown as UploadLimits
}
