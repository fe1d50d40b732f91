import type { Block } from '../../core/block.js'
import { StorageError } from '../../core/errors.js'
import { encodeUri } from '../../core/uri.js'
import { AnswerError } from './answer-error.js'
import type { HttpAnswer } from './http/answer.js'
import { completionOf, elementOf } from './multipart-xml.js'
import {
  assertUploadId,
  encodeCrc32,
  type Part,
  type Sender,
  type SentObject,
  type StoredPart,
} from './sender.js'
import type { SignedRequests } from './signed-requests.js'
import type { UploadTarget } from './upload-target.js'

/** Sends with requests of our own, which take a fraction of the CPU time that the SDK's do. */
export class HttpSender implements Sender {
  readonly checksum?: 'crc32'
  readonly #requests: SignedRequests

  constructor(requests: SignedRequests, checksum: 'crc32' | undefined) {
    this.#requests = requests
    this.checksum = checksum
  }

  putObject({ call, key, httpHeaders, createOnly }: UploadTarget, body: Block): Promise<SentObject> {
    if (createOnly) httpHeaders['if-none-match'] = '*'
    httpHeaders['x-amz-checksum-crc32'] = crc32Of(body)
    const request = { method: 'PUT', key, headers: httpHeaders, body } as const
    call.bytes = body.length
    return this.#requests.run(call, request, answer => ({
      etag: etagOf(answer, key),
      version: versionOf(answer),
    }))
  }

  createUpload(target: UploadTarget, onFailedTry: () => void): Promise<string> {
    const { key, httpHeaders } = target
    const algorithm = this.checksum === 'crc32' ? 'CRC32' : undefined
    const headers = { ...httpHeaders, 'x-amz-checksum-algorithm': algorithm }
    const request = { method: 'POST', key, query: 'uploads=', headers } as const
    return this.#requests.run({ operation: 'put', key, onFailedTry }, request, ({ body }) =>
      assertUploadId(elementOf(body, 'UploadId'), target),
    )
  }

  uploadPart({ call, key }: UploadTarget, { uploadId, number, block }: Part): Promise<StoredPart> {
    const crc32 = crc32Of(block)
    const query = `partNumber=${number}&uploadId=${encodeUri(uploadId)}`
    const headers = { 'x-amz-checksum-crc32': crc32 }
    const request = { method: 'PUT', key, query, headers, body: block } as const
    return this.#requests.run({ ...call, bytes: block.length }, request, answer => ({
      PartNumber: number,
      ETag: etagOf(answer, key),
      ...(crc32 === undefined ? {} : { ChecksumCRC32: crc32 }),
    }))
  }

  completeUpload(
    { call, key, createOnly }: UploadTarget,
    uploadId: string,
    parts: readonly StoredPart[],
  ): Promise<SentObject> {
    const bytes = Buffer.from(completionOf(parts))
    const request = {
      method: 'POST',
      key,
      query: `uploadId=${encodeUri(uploadId)}`,
      headers: { 'content-type': 'application/xml', 'if-none-match': createOnly ? '*' : undefined },
      body: { chunks: [bytes], length: bytes.length },
    } as const
    return this.#requests.run({ ...call, slow: true }, request, answer => {
      assertCompleted(answer, key)
      return { etag: elementOf(answer.body, 'ETag'), version: versionOf(answer) }
    })
  }

  close(): void {
    this.#requests.close()
  }

  async look({ call, key }: UploadTarget): Promise<unknown> {
    return this.#requests.run(call, { method: 'HEAD', key }, ({ headers }) => headers)
  }
}

function crc32Of({ crc32 }: Block): string | undefined {
  return crc32 === undefined ? undefined : encodeCrc32(crc32)
}

function versionOf({ headers }: HttpAnswer): string | undefined {
  return headers['x-amz-version-id']
}

function etagOf({ headers }: HttpAnswer, key: string): string {
  if (headers.etag !== undefined) return headers.etag
  throw notS3(key)
}

/** The answer begins before the work is done, so its status says nothing yet ("CompleteMultipartUpload"). */
function assertCompleted(answer: HttpAnswer, key: string): void {
  if (answer.body.includes('<CompleteMultipartUploadResult')) return
  throw answer.body.includes('<Error>') ? new AnswerError({ ...answer, status: 503 }) : notS3(key)
}

/** A web server, a proxy or a captive portal may well answer 200 to anything. */
function notS3(key: string): StorageError {
  const message = 'The storage did not answer as S3 does: check the endpoint, and what lies between.'
  return new StorageError('ERR_BACKEND', message, { operation: 'put', key })
}
