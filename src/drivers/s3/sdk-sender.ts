import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { type Block, bytesOf } from '../../core/block.js'
import {
  assertUploadId,
  encodeCrc32,
  type Part,
  type Sender,
  type SentObject,
  type StoredPart,
} from './sender.js'
import type { UploadTarget } from './upload-target.js'

/** Sends with the SDK: `transport: 'sdk'`, and wherever our own requests cannot go. */
export class SdkSender implements Sender {
  readonly checksum?: 'crc32'

  constructor(checksum: 'crc32' | undefined) {
    this.checksum = checksum
  }

  async putObject(
    { calls, address, headers, createOnly, call }: UploadTarget,
    body: Block,
  ): Promise<SentObject> {
    const command = new PutObjectCommand({
      ...address,
      ...headers,
      ...contentOf(body),
      ...(createOnly ? { IfNoneMatch: '*' } : {}),
    })
    const { ETag, VersionId } = await calls.run({ ...call, bytes: body.length }, http =>
      calls.client.send(command, http),
    )
    return { etag: ETag, version: VersionId }
  }

  createUpload(target: UploadTarget, onFailedTry: () => void): Promise<string> {
    const { calls, key, address, headers } = target
    const checksum = this.checksum === 'crc32' ? ({ ChecksumAlgorithm: 'CRC32' } as const) : {}
    const command = new CreateMultipartUploadCommand({ ...address, ...headers, ...checksum })
    return calls.run({ operation: 'put', key, onFailedTry }, async http =>
      assertUploadId((await calls.client.send(command, http)).UploadId, target),
    )
  }

  async uploadPart({ calls, address, call }: UploadTarget, part: Part): Promise<StoredPart> {
    const { uploadId, number, block } = part
    const content = contentOf(block)
    const command = new UploadPartCommand({
      ...address,
      UploadId: uploadId,
      PartNumber: number,
      ...content,
    })
    const { ETag } = await calls.run({ ...call, bytes: block.length }, http =>
      calls.client.send(command, http),
    )
    const { ChecksumCRC32 } = content
    return { PartNumber: number, ETag, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) }
  }

  async completeUpload(
    { calls, address, call, createOnly }: UploadTarget,
    uploadId: string,
    parts: readonly StoredPart[],
  ): Promise<SentObject> {
    const command = new CompleteMultipartUploadCommand({
      ...address,
      UploadId: uploadId,
      MultipartUpload: { Parts: [...parts] },
      ...(createOnly ? { IfNoneMatch: '*' } : {}),
    })
    const { ETag, VersionId } = await calls.run({ ...call, slow: true }, http =>
      calls.client.send(command, http),
    )
    return { etag: ETag, version: VersionId }
  }

  look({ calls, address, call }: UploadTarget): Promise<unknown> {
    return calls.runHead(call, http => calls.client.send(new HeadObjectCommand(address), http))
  }
}

function contentOf(block: Block): { Body: Buffer; ContentLength: number; ChecksumCRC32?: string } {
  return {
    Body: bytesOf(block),
    ContentLength: block.length,
    ...(block.crc32 === undefined ? {} : { ChecksumCRC32: encodeCrc32(block.crc32) }),
  }
}
