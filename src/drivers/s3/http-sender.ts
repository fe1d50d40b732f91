import { createHash } from 'node:crypto'
import type { Agent } from 'node:http'
import type { Block } from '../../core/block.js'
import { StorageError } from '../../core/errors.js'
import { encodeKey, encodeUri } from '../../core/uri.js'
import { AnswerError } from './answer-error.js'
import type { BucketAddress } from './bucket-address.js'
import { HeaderSigner, UNSIGNED_PAYLOAD } from './header-signer.js'
import { type Destination, exchange, type HttpAnswer } from './http-exchange.js'
import type { S3Calls } from './s3-calls.js'
import { encodeCrc32, type Part, type Sender, type StoredObject, type StoredPart } from './sender.js'
import type { UploadTarget } from './upload-target.js'
import type { ExpiringCredentials, WarmCredentials } from './warm-credentials.js'

/** What an {@link HttpSender} works with. */
export interface HttpSenderParts {
  readonly calls: S3Calls
  readonly credentials: WarmCredentials
  readonly agent: Agent
  readonly checksum: 'crc32' | undefined
}

/** What one set of credentials at one address signs and sends with. */
interface Line {
  readonly address: BucketAddress
  readonly credentials: ExpiringCredentials
  readonly signer: HeaderSigner
  readonly destination: Destination
}

interface Upload {
  readonly target: UploadTarget
  readonly query: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly block: Block
}

/** The kernel takes some megabytes at once; a slow line then shows no progress for as long as they take. */
const KERNEL_BUFFER = 4 * 1024 * 1024

/** Sends with requests of our own, which take a fraction of the CPU time that the SDK's do. */
export class HttpSender implements Sender {
  readonly checksum?: 'crc32'
  readonly #calls: S3Calls
  readonly #credentials: WarmCredentials
  readonly #agent: Agent
  #line: Line | undefined

  constructor({ calls, credentials, agent, checksum }: HttpSenderParts) {
    this.#calls = calls
    this.#credentials = credentials
    this.#agent = agent
    this.checksum = checksum
  }

  async putObject(target: UploadTarget, block: Block): Promise<StoredObject> {
    const headers = { ...target.httpHeaders, ...checksumOf(block) }
    const { etag, 'x-amz-version-id': version } = (await this.#run({ target, query: '', headers, block }))
      .headers
    return { etag, version: typeof version === 'string' ? version : undefined }
  }

  async uploadPart(target: UploadTarget, { uploadId, number, block }: Part): Promise<StoredPart> {
    const query = `partNumber=${number}&uploadId=${encodeUri(uploadId)}`
    const headers = checksumOf(block)
    const { headers: answered } = await this.#run({ target, query, headers, block })
    const crc32 = headers['x-amz-checksum-crc32']
    return {
      PartNumber: number,
      ETag: answered.etag,
      ...(crc32 === undefined ? {} : { ChecksumCRC32: crc32 }),
    }
  }

  #run(upload: Upload): Promise<HttpAnswer> {
    const call = { ...upload.target.call, bytes: upload.block.length }
    return this.#calls.runDirect(call, signal => this.#send(upload, signal))
  }

  /** Sends, and once more by the clock of the server where ours is wrong. */
  async #send(upload: Upload, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      return await this.#sendOnce(upload, signal)
    } catch (error) {
      if (!(error instanceof AnswerError && this.#setClock(error))) throw error
      return this.#sendOnce(upload, signal)
    }
  }

  async #sendOnce({ target, query, headers, block }: Upload, signal: AbortSignal): Promise<HttpAnswer> {
    const { address, signer, destination } = this.#lineFor(await this.#credentials.fresh())
    const path = address.pathPrefix + encodeKey(target.key)
    const signed = signer.sign(
      {
        method: 'PUT',
        path,
        query,
        headers: { ...headers, 'content-length': `${block.length}` },
        payload: this.#payloadOf(block, destination),
      },
      Date.now() + this.#calls.client.config.systemClockOffset,
    )
    const answer = await exchange(
      destination,
      {
        method: 'PUT',
        path: query === '' ? path : `${path}?${query}`,
        headers: signed,
        chunks: block.chunks,
        idleTimeout: this.#calls.requestTime({
          operation: 'put',
          bytes: Math.min(block.length, KERNEL_BUFFER),
        }),
      },
      signal,
    )
    if (!isSuccess(answer)) throw new AnswerError(answer)
    assertS3(answer, target.key)
    return answer
  }

  /**
   * TLS protects the body on its way, and a checksum tells the server of bytes that changed. A body that has neither
   * is hashed for the signature.
   */
  #payloadOf({ chunks, crc32 }: Block, { protocol }: Destination): string {
    if (protocol === 'https:' || crc32 !== undefined) return UNSIGNED_PAYLOAD
    const hash = createHash('sha256')
    for (const chunk of chunks) hash.update(chunk)
    return hash.digest('hex')
  }

  /** Whether the server told its time. The SDK keeps its own correction there, so each learns from the other. */
  #setClock({ name, $response }: AnswerError): boolean {
    const date = Date.parse($response.headers.date ?? '')
    if (name !== 'RequestTimeTooSkewed' || Number.isNaN(date)) return false
    this.#calls.client.config.systemClockOffset = date - Date.now()
    return true
  }

  #lineFor(credentials: ExpiringCredentials): Line {
    const { address } = this.#calls.home
    if (this.#line?.credentials === credentials && this.#line.address === address) return this.#line
    const { protocol, hostname, port } = new URL(address.origin)
    this.#line = {
      address,
      credentials,
      signer: new HeaderSigner(address, credentials),
      destination: {
        protocol: protocol === 'https:' ? 'https:' : 'http:',
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        agent: this.#agent,
      },
    }
    return this.#line
  }
}

function checksumOf({ crc32 }: Block): { 'x-amz-checksum-crc32'?: string } {
  return crc32 === undefined ? {} : { 'x-amz-checksum-crc32': encodeCrc32(crc32) }
}

function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300
}

/** A web server, a proxy or a captive portal may well answer 200 to a PUT; S3 names what it stored. */
function assertS3({ headers }: HttpAnswer, key: string): void {
  if (headers.etag !== undefined) return
  const message = 'The storage did not answer as S3 does: check the endpoint, and what lies between.'
  throw new StorageError('ERR_BACKEND', message, { operation: 'put', key })
}
