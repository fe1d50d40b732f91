import type { CdnOptions } from './cdn.js'
import type { DiskKeepOptions } from './keep-options.js'
import type { Tenancy } from './key.js'

/** A logical area with its rules. */
export interface DiskOptions extends DiskKeepOptions {
  /** The first segments of its object keys, for example `media`. Locations may not nest. */
  location: string
  /** Private files are reached by signed URLs only; public ones have permanent addresses. */
  visibility: 'private' | 'public'
  /**
   * `required`: every key belongs to one tenant. `shared`: every tenant reads, `runAsSystem` writes. `none`: no
   * tenant segment, for what the application itself ships.
   */
  tenancy: Tenancy
  /** Whether `put` may replace an object. Default: `refuse`. */
  overwrite?: 'refuse' | 'allow'
  /** The life of signed URLs in seconds, unless the call, the column or a rule says otherwise. */
  expiresIn?: number
  /**
   * Cache-Control of new objects, unless the call says otherwise. A signed URL of a private file overrides it.
   * Default: a year and `immutable` for uploads to a public disk, else none.
   */
  cacheControl?: string
  /**
   * `direct`: clients fetch from the backend, where it signs URLs. `proxy`: through `serveFiles`, for backends that
   * clients cannot reach. Default: `direct`.
   */
  serve?: 'direct' | 'proxy'
  /** A CDN in front of the backend. */
  cdn?: CdnOptions
}
