import type { PutBody } from '../core/driver.js'
import { StorageError } from '../core/errors.js'

/** The bytes of one upload, on their way from the sender to the backend. */
export interface Content {
  /** Bytes so far. */
  readonly size: number
  /** Bytes in all, where the sender promised a number. */
  readonly total: number | undefined
  /**
   * Begins to read.
   *
   * @param maxSize in bytes
   * @throws ERR_FILE_TOO_LARGE for more promised bytes than that
   */
  start(maxSize: number): void
  /** The first `length` bytes, or all of a shorter file. Rejects with what the upload failed by. */
  head(length: number): Promise<Buffer>
  /** For the driver: all bytes where the file is small, else a stream that begins with the first byte. */
  body(): Promise<PutBody>
  /** Of all bytes, as 64 hexadecimal digits; to be asked once the body has ended. */
  sha256(): string
  /** Ends whatever waits for bytes, with this reason. */
  fail(reason: StorageError): void
  /** Lets go of the source. */
  release(): void
}

/** @param maxSize in bytes */
export function tooLarge(maxSize: number): StorageError {
  return new StorageError('ERR_FILE_TOO_LARGE', `The file is larger than the ${maxSize} bytes allowed here.`)
}

/** @param total in bytes, as promised */
export function wrongLength(total: number): StorageError {
  return new StorageError('ERR_UPLOAD_ABORTED', `The file is not as long as promised: ${total} bytes.`)
}
