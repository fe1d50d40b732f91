import { randomUUID } from 'node:crypto'
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { describe, inject } from 'vitest'
import { NEEDS, type S3Server } from './provided.js'

/**
 * `describe` for suites that need the S3 server: skipped, and named at the end of the run, where there is none.
 * The body runs either way, so ask for {@link s3Connection} in hooks and tests only.
 */
export function describeWithS3(name: string, body: () => void): void {
  describe.skipIf(inject('s3') === undefined)(`${name} ${NEEDS.s3}`, body)
}

/** The S3 server of this run; path-style addressing works on it. */
export function s3Connection(): S3Server {
  const server = inject('s3')
  if (!server) throw new Error('no S3 server in this run: use describeWithS3')
  return server
}

/** The SDK's client for arranging and inspecting, independent of what is under test. */
export function s3Client(): S3Client {
  client ??= clientOf(s3Connection())
  return client
}
let client: S3Client | undefined

/** The same for another server than that of the run. */
export function clientOf({ endpoint, region, accessKeyId, secretAccessKey }: S3Server): S3Client {
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    // Ceph answers 411 to the trailers of the SDK's default checksums
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

/** A bucket nobody else uses. It stays until the server ends with the run. */
export async function createBucket(prefix = 'test', on = s3Client()): Promise<string> {
  const bucket = `${prefix}-${randomUUID()}`
  await on.send(new CreateBucketCommand({ Bucket: bucket }))
  return bucket
}

export async function listAllKeys(bucket: string): Promise<string[]> {
  const keys: string[] = []
  for await (const page of paginateListObjectsV2({ client: s3Client() }, { Bucket: bucket })) {
    for (const object of page.Contents ?? []) if (object.Key !== undefined) keys.push(object.Key)
  }
  return keys
}

export interface OpenUpload {
  key: string
  uploadId: string
}

/** Multipart uploads that were begun and neither completed nor aborted. */
export async function listOpenUploads(bucket: string, on = s3Client()): Promise<OpenUpload[]> {
  const uploads: OpenUpload[] = []
  let page: ListMultipartUploadsCommandOutput | undefined
  do {
    const from = page ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : {}
    page = await on.send(new ListMultipartUploadsCommand({ Bucket: bucket, ...from }))
    for (const { Key, UploadId } of page.Uploads ?? [])
      uploads.push({ key: Key ?? '', uploadId: UploadId ?? '' })
  } while (page.IsTruncated)
  return uploads
}
