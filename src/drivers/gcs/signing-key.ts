import { createHmac, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { StorageError } from '../../core/errors.js'
import type { GcsHmacKey, GcsServiceAccount } from './options.js'

/** What signs URLs: "Signatures", Cloud Storage documentation. */
export interface SigningKey {
  /** The name of the algorithm in the URL. */
  readonly algorithm: 'GOOG4-RSA-SHA256' | 'GOOG4-HMAC-SHA256'
  /** Who signs: an account's address, or the id of an HMAC key. */
  readonly signer: string
  /** The signature in hex. `day` is `YYYYMMDD`. */
  sign(text: string, day: string): string
}

/**
 * A service account's key, parsed once. Signing takes its time (about a millisecond with 2,048 bits).
 *
 * @throws ERR_CONFIG for anything but an RSA key in PEM
 */
export function rsaKey({ client_email: signer, private_key: pem }: GcsServiceAccount): SigningKey {
  const key = parseKey(pem)
  return {
    algorithm: 'GOOG4-RSA-SHA256',
    signer,
    sign: text => sign('sha256', Buffer.from(text), key).toString('hex'),
  }
}

/** An HMAC key. The key of a day is worth keeping: making it takes four HMACs. */
export function hmacKey({ accessId, secret }: GcsHmacKey): SigningKey {
  let dayOfKey = ''
  let key: Buffer = Buffer.alloc(0)
  return {
    algorithm: 'GOOG4-HMAC-SHA256',
    signer: accessId,
    sign(text, day) {
      if (day !== dayOfKey) {
        key = keyOfDay(secret, day)
        dayOfKey = day
      }
      return createHmac('sha256', key).update(text).digest('hex')
    },
  }
}

/** The place and the service that every credential scope of this driver names. */
export const SCOPE_TAIL = 'auto/storage/goog4_request'

function keyOfDay(secret: string, day: string): Buffer {
  let key: Buffer = Buffer.from(`GOOG4${secret}`)
  for (const step of [day, ...SCOPE_TAIL.split('/')]) key = createHmac('sha256', key).update(step).digest()
  return key
}

function parseKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'rsa') return key
  } catch {
    // The error of node:crypto may quote what it was given.
  }
  throw new StorageError(
    'ERR_CONFIG',
    'private_key must be the PEM of an RSA key with real line breaks: in an environment variable they are often "\\n".',
  )
}
