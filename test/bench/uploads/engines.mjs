// What is compared: ways for an Express application to take a file through Multer. Each gives the storage engine, and
// where the work goes on after Multer, the last part of the handler. Loaded one at a time, so that none pays for the
// modules of another.
import { randomUUID } from 'node:crypto'

const BUCKET = 'files'
const REGION = 'us-east-1'
const credentials = { accessKeyId: 'KEY', secretAccessKey: 'secret' }

/** The SDK's client as people make it, with the SDK's own defaults: SHA-256 and CRC32 of every body. */
async function s3Client(endpoint) {
  const { S3Client } = await import('@aws-sdk/client-s3')
  return new S3Client({ endpoint, region: REGION, credentials, forcePathStyle: true })
}

const key = (_req, _file, done) => done(null, `media/acme/${randomUUID()}.bin`)

async function multerS3({ endpoint }) {
  const { default: engine } = await import('multer-s3')
  return { storage: engine({ s3: await s3Client(endpoint), bucket: BUCKET, key }) }
}

/** multer-s3 takes a stream in place of the file's from the function that says its type. */
async function multerS3WithSha256({ endpoint }) {
  const { default: engine } = await import('multer-s3')
  const { createHash } = await import('node:crypto')
  const { Transform } = await import('node:stream')
  const contentType = (_req, file, done) => {
    const hash = createHash('sha256')
    const hashed = new Transform({
      transform(chunk, _encoding, next) {
        hash.update(chunk)
        next(null, chunk)
      },
      flush(next) {
        file.sha256 = hash.digest('hex')
        next()
      },
    })
    done(null, 'application/octet-stream', file.stream.pipe(hashed))
  }
  const storage = engine({ s3: await s3Client(endpoint), bucket: BUCKET, key, contentType })
  return { storage, sha256Of: req => req.file.sha256 }
}

async function ours({ endpoint }) {
  const { createStorage } = await import('tenant-files')
  const { S3Driver } = await import('tenant-files/drivers/s3')
  const { fromHeader, tenant } = await import('tenant-files/express')
  const { tenantStorage } = await import('tenant-files/multer')
  // The same client as everybody's: beside a foreign endpoint the driver's own would send no checksums.
  const driver = new S3Driver({ bucket: BUCKET, client: await s3Client(endpoint) })
  const storage = createStorage({ secret: 'a secret that is long enough', backends: { s3: driver } })
  await storage.ready()
  return {
    files: storage,
    before: tenant({ resolve: fromHeader('x-tenant'), verify: () => true }),
    storage: tenantStorage(storage, { folder: 'files', maxSize: '1gb' }),
    sha256Of: req => req.file.stored.sha256,
  }
}

/** The library always hashes. What is measured here is the same code with a hash that skips the bytes of files. */
async function oursWithoutSha256(context) {
  const crypto = await import('node:crypto')
  const { syncBuiltinESMExports } = await import('node:module')
  const LARGEST_TEXT = 2048 // what is signed is shorter, and pieces of files are longer
  const { createHash } = crypto.default
  crypto.default.createHash = (...args) => {
    const hash = createHash(...args)
    const { update } = hash
    hash.update = (data, ...rest) => (data.length > LARGEST_TEXT ? hash : update.call(hash, data, ...rest))
    return hash
  }
  syncBuiltinESMExports()
  return { ...(await ours(context)), sha256Of: undefined }
}

async function oursWithLedger(context) {
  const { withFiles } = await import('tenant-files/typeorm')
  const { DataSource } = await import('typeorm')
  const engine = await ours(context)
  const dataSource = new DataSource({ type: 'postgres', url: context.database, synchronize: true })
  await withFiles(engine.files, dataSource).initialize()
  return engine
}

async function libStorage({ endpoint }) {
  const { Upload } = await import('@aws-sdk/lib-storage')
  const client = await s3Client(endpoint)
  const store = async Body => {
    const params = { Bucket: BUCKET, Key: `media/acme/${randomUUID()}.bin`, Body }
    await new Upload({ client, params }).done()
    return {}
  }
  return {
    storage: {
      _handleFile: (_req, file, done) => void store(file.stream).then(info => done(null, info), done),
      _removeFile: (_req, _file, done) => done(null),
    },
  }
}

async function diskStorage({ folder }) {
  const { default: multer } = await import('multer')
  const { unlink } = await import('node:fs/promises')
  return { storage: multer.diskStorage({ destination: folder }), after: req => unlink(req.file.path) }
}

async function memoryStorage({ endpoint }) {
  const { default: multer } = await import('multer')
  const { PutObjectCommand } = await import('@aws-sdk/client-s3')
  const client = await s3Client(endpoint)
  return {
    storage: multer.memoryStorage(),
    after: req =>
      client.send(
        new PutObjectCommand({
          Bucket: BUCKET,
          Key: `media/acme/${randomUUID()}.bin`,
          Body: req.file.buffer,
        }),
      ),
  }
}

/** What Express, Multer and busboy take for themselves. */
async function discard() {
  return {
    storage: {
      _handleFile(_req, file, done) {
        file.stream.once('end', () => done(null, {})).resume()
      },
      _removeFile: (_req, _file, done) => done(null),
    },
  }
}

/** By name. `stores`: whether the S3 gets the bytes; `crc32`: whether it gets their checksum. */
export const engines = {
  'tenant-files': { make: ours, stores: true, crc32: true },
  'multer-s3': { make: multerS3, stores: true, crc32: true },
  'multer-s3, sha256': { make: multerS3WithSha256, stores: true, crc32: true },
  'tenant-files, no sha256': { make: oursWithoutSha256, stores: true, crc32: true },
  'tenant-files, PostgreSQL ledger': { make: oursWithLedger, stores: true, crc32: true, database: true },
  'lib-storage': { make: libStorage, stores: true, crc32: true },
  'memoryStorage, PutObject': { make: memoryStorage, stores: true, crc32: true },
  'diskStorage, unlink': { make: diskStorage },
  'Multer, discarding': { make: discard },
}
