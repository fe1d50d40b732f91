import type { Request } from 'express'
import type { StorageEngine } from 'multer'
import { StorageError } from '../core/errors.js'
import { type FileRules, type ResolvedRules, resolveRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'
import { boundTenant, runWithTenant } from '../core/tenant.js'
import { discardFile, receiveFile } from '../upload/index.js'
import { decodeFileName } from './file-name-encoding.js'
import { inLine } from './in-line.js'
import { watchForEnd } from './watch-for-end.js'

declare global {
  namespace Express {
    namespace Multer {
      interface File {
        /** The stored file, to be assigned to an entity's file column. */
        stored: StoredFile
      }
    }
  }
}

/** Rules by the name of the form field. */
export type FieldRules = Readonly<Record<string, FileRules>>

/**
 * A storage engine for Multer: uploads land under the tenant that `tenant()` found for the request, checked by
 * their bytes, whole or not at all. `req.file.stored` is what to assign to the entity's column; `originalname`
 * and `mimetype` are the true ones.
 *
 * @param rules for every field, or by field name: then an unlisted field is refused
 * @throws ERR_CONFIG, ERR_DISK_UNKNOWN
 * @example
 * const upload = multer({ storage: tenantStorage(storage, rulesOf(OrderFile, 'file')) })
 * app.post('/orders', upload.single('file'), async (req, res) => {
 *   res.json(await orders.save(orders.create({ file: req.file!.stored })))
 * })
 */
export function tenantStorage(storage: Storage, rules: FileRules | FieldRules): StorageEngine {
  return new TenantStorage(storage, rules)
}

type HandleCallback = Parameters<StorageEngine['_handleFile']>[2]
type RemoveCallback = Parameters<StorageEngine['_removeFile']>[2]

/** Multer lets an engine neither throw nor reject: either would end the process. Each call answers once. */
class TenantStorage implements StorageEngine {
  readonly #storage: Storage
  readonly #rulesOf: (field: string) => ResolvedRules

  constructor(storage: Storage, rules: FileRules | FieldRules) {
    this.#storage = storage
    this.#rulesOf = rulesByField(rules, each => resolveFor(storage, each))
  }

  _handleFile(req: Request, file: Express.Multer.File, callback: HandleCallback): void {
    const answer = inTenantOf(req, callback)
    inLine(req, () => this.#store(req, file)).then(
      info => answer(null, info),
      error => {
        // Multer waits for the end of every file's stream, also of a refused one.
        file.stream.resume()
        answer(error)
      },
    )
  }

  _removeFile(req: Request, file: Express.Multer.File, callback: RemoveCallback): void {
    const answer = inTenantOf(req, callback)
    this.#remove(req, file.stored).then(
      () => answer(null),
      error => answer(error),
    )
  }

  async #store(req: Request, file: Express.Multer.File): Promise<Partial<Express.Multer.File>> {
    const rules = this.#rulesOf(file.fieldname)
    const name = decodeFileName(file.originalname)
    const { signal, release } = watchForEnd(req, file.stream, rules)
    try {
      const stored = await runWithTenant(tenantOf(req), () =>
        receiveFile(this.#storage, file.stream, rules, { name, signal, atMost: lengthOf(req) }),
      )
      return { originalname: name, mimetype: stored.type, size: stored.size, stored }
    } finally {
      release()
    }
  }

  async #remove(req: Request, stored: StoredFile | undefined): Promise<void> {
    // Multer also asks to remove files whose storing failed; nothing of them is left.
    if (stored !== undefined) await runWithTenant(tenantOf(req), () => discardFile(this.#storage, stored))
  }
}

/**
 * Never the ambient tenant: Multer calls from socket events, where AsyncLocalStorage may be empty, or another
 * request's.
 */
function tenantOf(req: Request): string {
  const tenant = boundTenant(req)
  if (tenant !== undefined) return tenant
  throw new StorageError(
    'ERR_TENANT_REQUIRED',
    'This request has no tenant. Mount tenant() before the upload.',
  )
}

/** Of the whole form, so no file in it is longer. Undefined where the body comes in chunks. */
function lengthOf(req: Request): number | undefined {
  const length = req.headers['content-length']
  return length === undefined ? undefined : Number(length)
}

function inTenantOf<Args extends unknown[]>(
  req: Request,
  callback: (...args: Args) => void,
): (...args: Args) => void {
  const tenant = boundTenant(req)
  return (...args) =>
    tenant === undefined ? callback(...args) : runWithTenant(tenant, () => callback(...args))
}

function rulesByField(
  rules: FileRules | FieldRules,
  resolve: (rules: FileRules) => ResolvedRules,
): (field: string) => ResolvedRules {
  if (isFileRules(rules)) {
    const resolved = resolve(rules)
    return () => resolved
  }
  const fields = new Map(Object.entries(rules).map(([field, each]) => [field, resolve(each)]))
  return field => {
    const resolved = fields.get(field)
    if (resolved !== undefined) return resolved
    throw new StorageError('ERR_FIELD_UNEXPECTED', 'This form field takes no file.')
  }
}

/** A disk that is not there is a fault of the set-up, and shows at start-up rather than at the first upload. */
function resolveFor(storage: Storage, rules: FileRules): ResolvedRules {
  const resolved = resolveRules(rules)
  storage.disk(resolved.disk)
  return resolved
}

function isFileRules(rules: FileRules | FieldRules): rules is FileRules {
  return typeof rules.folder === 'string'
}
