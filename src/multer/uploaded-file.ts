import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'
import type { StoredObject } from '../core/stored-object.js'

declare global {
  namespace Express {
    namespace Multer {
      // What multer-s3 puts there as well is spelt as it spells it, so that code written for it compiles.
      interface File {
        /** The stored file, to be assigned to an entity's file column. */
        stored: StoredFile
        /** The whole key of the object in its bucket. */
        key: string
        /** The bucket or container; absent where the backend has none. */
        bucket?: string
        /** The permanent address of a file on a public disk. A private file has none: `stored.url` is signed. */
        location?: string
        etag?: string
        /** The media type, found in the bytes. */
        contentType: string
        /** As it lies with the object. */
        contentDisposition?: string | null
        /** On a bucket that keeps versions. */
        versionId?: string
        /** What the disk asks for; absent where it leaves that to the bucket. */
        storageClass?: string
        /** What the disk asks for; absent where it leaves that to the bucket. */
        serverSideEncryption?: string | null
      }
    }
  }
}

/** What Multer shall add to its file. */
export function describeFile(
  storage: Storage,
  stored: StoredFile,
  object: Partial<StoredObject> = {},
): Partial<Express.Multer.File> {
  const disk = storage.disk(stored.disk)
  return {
    originalname: stored.name,
    mimetype: stored.type,
    size: stored.size,
    stored,
    key: disk.objectKey(stored),
    bucket: object.bucket,
    // A signed address does not belong here: applications write this one to their database. `toJSON` never throws.
    location: disk.options.visibility === 'public' ? (stored.toJSON().url ?? undefined) : undefined,
    etag: object.etag,
    contentType: stored.type,
    contentDisposition: object.contentDisposition,
    versionId: object.version,
    storageClass: object.storageClass,
    serverSideEncryption: object.encryption?.algorithm,
  }
}
