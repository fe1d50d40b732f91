import type { Request } from 'express'
import { storedDisposition } from '../../core/content-disposition.js'
import type { DiskOptions } from '../../core/disk-options.js'
import type { DriverCapabilities, KeepOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { keepOptionsOf } from '../../core/keep-options.js'
import { isActiveType } from '../../core/media-type.js'
import type { FileRules } from '../../core/rules.js'
import type { Storage } from '../../core/storage.js'
import type { FileAddress } from '../../core/stored-file.js'
import { type FieldRules, rulesByField } from '../field-rules.js'
import { openPassage, type Passage } from './passage.js'

type Answer<T extends unknown[]> = (error: unknown, ...values: T | []) => void

/** An option of multer-s3 that is asked for each file. */
export type MulterS3Option<T extends unknown[] = [value?: string]> = (
  // as its types have it; what comes is Express' request
  req: Express.Request,
  file: Express.Multer.File,
  callback: Answer<T>,
) => void

/** The options of multer-s3 3 that decide where and how an object lies; `s3` and `bucket` are the application's. */
export interface MulterS3Options {
  key: MulterS3Option
  contentType: MulterS3Option<[type?: string, body?: NodeJS.ReadableStream]>
  contentDisposition: MulterS3Option
  cacheControl: MulterS3Option
  /** None is sent. By itself multer-s3 sends `private`, which buckets without ACLs refuse. */
  acl: MulterS3Option
  storageClass: MulterS3Option
  serverSideEncryption: MulterS3Option
  sseKmsKeyId: MulterS3Option
}

/** What multer-s3 can ask S3 for; what a disk wants of other clouds it cannot. */
const S3_KEEPS: Pick<DriverCapabilities, 'encryption' | 'storageClasses'> = {
  encryption: ['AES256', 'aws:kms', 'aws:kms:dsse'],
  storageClasses: [],
}

// Of the file as multer-s3 hands it to each of its options. What comes out of Multer is another object.
const passages = new WeakMap<Express.Multer.File, Promise<Passage>>()
const passed = new WeakMap<Request, Map<string, Passage>>()

/**
 * Options for multer-s3, for applications that stay on it: objects lie under the request's tenant with a key that is
 * never used twice, typed by their bytes, and the rules hold. Bounds reach multer-s3 as an error of the body, so a file
 * that is cut, too large or refused is no object.
 *
 * @throws ERR_CONFIG, ERR_DISK_UNKNOWN
 * @example
 * multer({ storage: multerS3({ s3, bucket: 'acme-files', ...multerS3Options(storage, { folder: 'orders' }) }) })
 */
export function multerS3Options(storage: Storage, rules: FileRules | FieldRules): MulterS3Options {
  const rulesOf = rulesByField(storage, rules)
  const open = (req: Request, file: Express.Multer.File): Promise<Passage> => {
    const known = passages.get(file)
    if (known !== undefined) return known
    const opened = enter(req, file, () => openPassage(storage, rulesOf(file.fieldname), req, file))
    passages.set(file, opened)
    return opened
  }
  const each =
    <T extends unknown[]>(give: (passage: Passage) => T): MulterS3Option<T> =>
    (req, file, callback) => {
      // In two steps: what an option fails by must reach Multer too.
      open(req as Request, file)
        .then(give)
        .then(values => callback(null, ...values), callback)
    }
  const diskOf = ({ address }: Passage) => storage.disk(address.disk).options
  const encryptionOf = ({ address }: Passage) => encryptionFor(storage, address)
  return {
    key: each(({ objectKey }) => [objectKey]),
    contentType: each(({ type, body }) => [type, body]),
    contentDisposition: each(({ type, name }) => [
      storedDisposition(isActiveType(type) ? 'attachment' : 'inline', name),
    ]),
    cacheControl: each(passage => [cacheControlOf(diskOf(passage))]),
    acl: (_req, _file, callback) => callback(null, undefined),
    storageClass: each(passage => [diskOf(passage).storageClass]),
    serverSideEncryption: each(passage => [encryptionOf(passage)?.algorithm]),
    sseKmsKeyId: each(passage => [encryptionOf(passage)?.keyId]),
  }
}

/** The passage of a file that Multer gave out. @throws ERR_FILE_FORGED */
export function passageOf(req: Request, file: Express.Multer.File): Passage {
  const passage = passed.get(req)?.get(file.key)
  if (passage !== undefined) return passage
  throw new StorageError(
    'ERR_FILE_FORGED',
    'This file did not come through multerS3Options() in this request.',
  )
}

/** As uploads by this library have it: public keys are never used twice, so their bytes never change (RFC 8246). */
function cacheControlOf({ cacheControl, visibility }: DiskOptions): string | undefined {
  return cacheControl ?? (visibility === 'public' ? 'public, max-age=31536000, immutable' : undefined)
}

function encryptionFor(storage: Storage, { disk, tenant }: FileAddress): KeepOptions['encryption'] {
  const { encryption } = storage.disk(disk).options
  return keepOptionsOf({ encryption }, {}, tenant, S3_KEEPS).encryption
}

async function enter(
  req: Request,
  file: Express.Multer.File,
  open: () => Promise<Passage>,
): Promise<Passage> {
  try {
    const passage = await open()
    const known = passed.get(req) ?? new Map<string, Passage>()
    passed.set(req, known.set(passage.objectKey, passage))
    return passage
  } catch (error) {
    file.stream.resume() // Multer waits for its end
    throw error
  }
}
