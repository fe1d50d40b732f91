import type { CRC32CValidatorGenerator } from '@google-cloud/storage'

/** The CRC32C of bytes on their way, by the client's implementation ("Data validation", Cloud Storage). */
export class Checksum {
  readonly #crc: ReturnType<CRC32CValidatorGenerator>

  constructor(generator: CRC32CValidatorGenerator) {
    this.#crc = generator()
  }

  update(bytes: Uint8Array): void {
    this.#crc.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** As Cloud Storage writes it: base64 of four bytes in network order. */
  toString(): string {
    return this.#crc.toString()
  }
}
