import { abortError, untilAborted } from '../../core/abort.js'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { Checksum } from './checksum.js'
import { type Answer, type GcsRequest, parseJson } from './gcs-calls.js'
import { failureOf } from './gcs-errors.js'
import type { Piece } from './pieces.js'
import type { ObjectResource } from './resource.js'
import type { UploadTarget } from './upload-target.js'

/** "Resume Incomplete": the session waits for more. */
const INCOMPLETE = 308
/** What Cloud Storage answers to the deletion of a session: it was ended by its client. */
const CANCELLED = 499
/** Milliseconds for the request that tidies up. */
const TIDY_TIME = 5_000

/** One request's worth of the body, and where it lies in the whole. */
interface Slice {
  start: number
  piece: Piece
}

/**
 * Uploads a body in chunks, one after the other, through a session ("Performing resumable uploads", Cloud Storage
 * documentation). Nothing is visible before the last chunk. Whatever goes wrong, the session is deleted.
 */
export class ResumableUpload {
  readonly #target: UploadTarget
  readonly #checksum: Checksum
  #session = ''
  #size = 0

  constructor(target: UploadTarget) {
    this.#target = target
    this.#checksum = new Checksum(target.calls.client.crc32cGenerator)
  }

  /** @throws ERR_FILE_EXISTS for a create-only upload whose key is taken */
  async run(first: Piece, rest: AsyncGenerator<Piece>): Promise<PutResult> {
    this.#session = await this.#create()
    let piece: Piece | undefined = first
    try {
      await this.#announce()
      while (!piece.isLast) {
        await this.#sendPiece(piece)
        piece = await nextPiece(rest)
      }
    } catch (error) {
      await this.#cancel(this.#session)
      throw error
    }
    return this.#finish(piece)
  }

  async #create(): Promise<string> {
    const { calls, key, options, query, resource } = this.#target
    // Not ended by the signal: a session that was begun and whose address nobody knows can be ended by nobody.
    const created = calls
      .send(
        { operation: 'put', key },
        {
          method: 'POST',
          url: calls.uploadUrl({ uploadType: 'resumable', ...query }),
          headers: {
            'Content-Type': 'application/json; charset=UTF-8',
            'X-Upload-Content-Type': options.contentType,
          },
          body: [Buffer.from(JSON.stringify(resource))],
        },
      )
      .then(({ headers: { location } }) => {
        if (location !== undefined && URL.canParse(location)) return location
        throw this.#broken('The storage began a resumable upload without an address.')
      })
    const { signal } = options
    if (signal === undefined) return created
    try {
      return await untilAborted(created, signal)
    } catch (error) {
      if (!signal.aborted) throw error
      await this.#cancelWhenCreated(created)
      throw abortError(signal)
    }
  }

  /** Waits no longer than one request for tidying up; a slower backend's session is ended in the background. */
  async #cancelWhenCreated(created: Promise<string>): Promise<void> {
    const gone = created.then(session => this.#cancel(session)).catch(() => {})
    await untilAborted(gone, AbortSignal.timeout(TIDY_TIME)).catch(() => {})
  }

  /** The id alone: together with the name of the bucket and the key it gives the address of the session. */
  async #announce(): Promise<void> {
    const id = new URL(this.#session).searchParams.get('upload_id') ?? this.#session
    try {
      await this.#target.options.onMultipart?.(id)
    } catch (error) {
      if (StorageError.is(error)) throw error
      const message = 'The upload was stopped: its onMultipart callback failed.'
      const { key } = this.#target
      throw new StorageError('ERR_UPLOAD_ABORTED', message, { operation: 'put', key, cause: error })
    }
  }

  async #sendPiece(piece: Piece): Promise<void> {
    const answer = await this.#send(this.#take(piece))
    if (answer.status !== INCOMPLETE) throw this.#broken('The storage ended a resumable upload early.')
  }

  async #finish(piece: Piece): Promise<PutResult> {
    const { calls, key } = this.#target
    let stored: ObjectResource
    try {
      const { status, body } = await this.#send(this.#take(piece))
      if (status === INCOMPLETE) throw this.#broken('The storage did not take the whole file.')
      stored = parseJson<ObjectResource>(body, { operation: 'put', key, bucket: calls.bucket })
    } catch (error) {
      await this.#cancel(this.#session)
      return this.#target.settle(error, this.#size)
    }
    if (this.#fits(stored)) return this.#target.result(this.#size, stored)
    await this.#target.remove(stored)
    throw this.#broken('The storage holds other bytes than it was sent (CRC32C).')
  }

  /** Cloud Storage was told the checksum with the last chunk and refuses what does not fit; this is the proof. */
  #fits({ size, crc32c }: ObjectResource): boolean {
    return Number(size) === this.#size && (crc32c === undefined || crc32c === this.#checksum.toString())
  }

  #take(piece: Piece): Slice {
    const start = this.#size
    for (const chunk of piece.chunks) this.#checksum.update(chunk)
    this.#size += piece.size
    return { start, piece }
  }

  /**
   * Sends one piece. After a lost answer, and when the storage kept a part only, it is asked what it has: the next
   * attempt sends the rest.
   */
  async #send({ start, piece }: Slice): Promise<Answer> {
    const { calls, call } = this.#target
    let isKnown = true
    let kept = start
    try {
      return await calls.run({ ...call, bytes: piece.size }, async signal => {
        for (;;) {
          if (!isKnown) {
            const status = await calls.exchange(this.#request('bytes */*', []), signal)
            if (status.status !== INCOMPLETE) return status
            kept = keptBytes(status)
            isKnown = true
          }
          if (kept === start + piece.size && !piece.isLast)
            return { status: INCOMPLETE, headers: {}, body: '' }
          if (kept < start || kept > start + piece.size)
            throw this.#broken('The storage lost a part of the upload.')
          isKnown = false
          const before = kept
          const answer = await calls.exchange(this.#chunk({ start, piece }, kept), signal)
          if (answer.status !== INCOMPLETE) return answer
          kept = keptBytes(answer)
          isKnown = true
          if (kept <= before) throw this.#broken('The storage takes no more bytes of the upload.')
        }
      })
    } catch (error) {
      throw isGone(error) ? this.#broken('The upload was ended by somebody else, or expired.', error) : error
    }
  }

  /** The bytes of a piece from offset `from` on. */
  #chunk({ start, piece }: Slice, from: number): GcsRequest {
    const end = start + piece.size
    const total = piece.isLast ? `${end}` : '*'
    const range = from === end ? `bytes */${total}` : `bytes ${from}-${end - 1}/${total}`
    const hash: Record<string, string> = piece.isLast ? { 'X-Goog-Hash': `crc32c=${this.#checksum}` } : {}
    return this.#request(range, dropBytes(piece.chunks, from - start), hash)
  }

  #request(range: string, body: Uint8Array[], headers: Record<string, string> = {}): GcsRequest {
    return {
      method: 'PUT',
      url: this.#session,
      headers: { 'Content-Range': range, ...headers },
      body,
      accept: [INCOMPLETE],
      withoutToken: true,
    }
  }

  /** Best effort: the failure that led here is what the caller must hear. Sessions that stay expire after a week. */
  async #cancel(session: string): Promise<void> {
    const { calls, key } = this.#target
    const call: BackendCall = { operation: 'put', key, within: TIDY_TIME }
    const request = {
      method: 'DELETE' as const,
      url: session,
      body: [],
      accept: [CANCELLED],
      withoutToken: true,
    }
    await calls.send(call, request).catch(() => {})
  }

  #broken(message: string, cause?: unknown): StorageError {
    return new StorageError('ERR_BACKEND', message, { operation: 'put', key: this.#target.key, cause })
  }
}

async function nextPiece(pieces: AsyncGenerator<Piece>): Promise<Piece> {
  const { value } = await pieces.next()
  if (value !== undefined) return value
  throw new StorageError('ERR_UPLOAD_ABORTED', 'The body of the upload ended early.', { operation: 'put' })
}

/** How many bytes the storage has: no Range header means none. */
function keptBytes({ headers: { range } }: Answer): number {
  const match = /^(?:bytes=)?0-(\d+)$/.exec(range ?? '')
  return match === null ? 0 : Number(match[1]) + 1
}

function dropBytes(chunks: Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let left = count
  for (const chunk of chunks) {
    if (left < chunk.length) rest.push(left > 0 ? chunk.subarray(left) : chunk)
    left = Math.max(0, left - chunk.length)
  }
  return rest
}

/** "Handling errors" on the page above: a session that is not there any more begins anew, or not at all. */
function isGone(error: unknown): boolean {
  const status = failureOf(error)?.status
  return status === 404 || status === 410
}
