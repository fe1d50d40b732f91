import { createHmac, hash } from 'node:crypto'

/** SHA-256 works on blocks of 64 bytes and gives 32. */
const BLOCK = 64
const DIGEST = 32
const HEX_DIGEST = 64

/**
 * HMAC-SHA256 (RFC 2104, section 2) of one fixed text and a SHA-256 in hex behind it, with the key and the text
 * laid out once. Signing so costs two one-shot hashes over ready buffers: about a third less than `createHmac`,
 * whose objects are most of the price of signing a URL.
 */
export class PreparedHmac {
  readonly #inner: Buffer
  readonly #outer: Buffer
  readonly #slot: number

  /** @param text ASCII; what precedes the hash in every message */
  constructor(key: Buffer, text: string) {
    this.#slot = BLOCK + text.length
    this.#inner = Buffer.alloc(this.#slot + HEX_DIGEST)
    this.#outer = Buffer.alloc(BLOCK + DIGEST)
    for (let i = 0; i < BLOCK; i++) {
      const byte = key[i] ?? 0
      this.#inner[i] = byte ^ 0x36
      this.#outer[i] = byte ^ 0x5c
    }
    this.#inner.write(text, BLOCK, 'latin1')
  }

  /** The HMAC, in hex, of the text and `hexHash`. */
  sign(hexHash: string): string {
    this.#inner.write(hexHash, this.#slot, 'latin1')
    this.#outer.write(hash('sha256', this.#inner, 'binary'), BLOCK, 'latin1')
    return hash('sha256', this.#outer, 'hex')
  }
}

/**
 * The key that signs for one day, region and service ("Create a signed AWS API request", step 4, AWS IAM User
 * Guide). It is worth keeping: making it takes four HMACs.
 *
 * @param day `YYYYMMDD` in UTC
 */
export function signingKey(secretAccessKey: string, day: string, region: string, service: string): Buffer {
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`)
  for (const step of [day, region, service, 'aws4_request'])
    key = createHmac('sha256', key).update(step).digest()
  return key
}
