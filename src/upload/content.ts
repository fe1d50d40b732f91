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
  /** Whether so many bytes, or all of a shorter file, are there. @throws what the upload failed by */
  has(length: number): boolean
  /** Waits for what {@link has} says is not there yet; to be asked only then. Rejects with what the upload failed by. */
  until(length: number): Promise<void>
  /** The first `length` bytes, or all of a shorter file. Only what {@link has} says is there. */
  head(length: number): Buffer
  /**
   * For the driver: all bytes where the file is small, else a stream that begins with the first byte. A promise only
   * where there is something to wait for.
   */
  body(): PutBody | Promise<PutBody>
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
