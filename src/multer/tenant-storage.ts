import type { Request } from 'express'
import type { StorageEngine } from 'multer'
import { StorageError } from '../core/errors.js'
import type { FileRules, ResolvedRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import type { StoredObject } from '../core/stored-object.js'
import { runWithTenant } from '../core/tenant.js'
import { type IncomingFile, receiveFile } from '../upload/index.js'
import { endRequest } from './end-request.js'
import { FailedAnswers } from './failed-answers.js'
import { type FieldRules, rulesByField } from './field-rules.js'
import { decodeFileName } from './file-name-encoding.js'
import { inLine } from './in-line.js'
import { resolveOptions, type TenantStorageOptions } from './options.js'
import { inTenantOf, tenantOf } from './request-tenant.js'
import { describeFile } from './uploaded-file.js'
import { watchForEnd } from './watch-for-end.js'

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
export function tenantStorage(
  storage: Storage,
  rules: FileRules | FieldRules,
  options: TenantStorageOptions = {},
): StorageEngine {
  return new TenantStorage(storage, rules, options)
}

type HandleCallback = Parameters<StorageEngine['_handleFile']>[2]
type RemoveCallback = Parameters<StorageEngine['_removeFile']>[2]

/** Multer lets an engine neither throw nor reject: either would end the process. Each call answers once. */
class TenantStorage implements StorageEngine {
  readonly #storage: Storage
  readonly #rulesOf: (field: string) => ResolvedRules
  readonly #failedAnswers: FailedAnswers
  readonly #onProgress: TenantStorageOptions['onProgress']

  constructor(storage: Storage, rules: FileRules | FieldRules, options: TenantStorageOptions) {
    const { discard, onProgress } = resolveOptions(options)
    this.#onProgress = onProgress
    this.#storage = storage
    this.#rulesOf = rulesByField(storage, rules)
    this.#failedAnswers = new FailedAnswers(storage, discard)
  }

  _handleFile(req: Request, file: Express.Multer.File, callback: HandleCallback): void {
    const answer = inTenantOf(req, callback)
    inLine(req, () => this.#store(req, file)).then(
      info => answer(null, info),
      error => {
        // Multer waits for the end of every file's stream, also of a refused one.
        file.stream.resume()
        answer(error)
        if (StorageError.is(error, 'ERR_UPLOAD_TIMEOUT')) endRequest(req)
      },
    )
  }

  _removeFile(req: Request, file: Express.Multer.File, callback: RemoveCallback): void {
    const answer = inTenantOf(req, callback)
    this.#remove(req, file).then(
      () => answer(null),
      error => answer(error),
    )
  }

  #store(req: Request, file: Express.Multer.File): Promise<Partial<Express.Multer.File>> {
    const tenant = tenantOf(req)
    const rules = this.#rulesOf(file.fieldname)
    const onProgress = this.#onProgress
    let object: StoredObject | undefined
    const incoming: IncomingFile = {
      name: decodeFileName(file.originalname),
      type: file.mimetype,
      field: file.fieldname,
      atMost: lengthOf(req),
      watch: stop => watchForEnd(req, file.stream, rules, stop),
      onStored: found => {
        object = found
      },
      onProgress: onProgress && inTenantOf(req, progress => onProgress(progress, req)),
    }
    const receive = () => receiveFile(this.#storage, file.stream, rules, incoming)
    return runWithTenant(tenant, receive).then(stored => {
      this.#failedAnswers.watch(req, stored)
      return describeFile(this.#storage, stored, object)
    })
  }

  async #remove(req: Request, { stored }: Partial<Express.Multer.File>): Promise<void> {
    // Multer also asks to remove files whose storing failed; nothing of them is left.
    if (stored !== undefined) await this.#failedAnswers.remove(req, stored)
  }
}

/** Of the whole form, so no file in it is longer. Undefined where the body comes in chunks. */
function lengthOf(req: Request): number | undefined {
  const length = req.headers['content-length']
  return length === undefined ? undefined : Number(length)
}
