import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate that nobody but itself has signed, for a test server on https. */
export interface SelfSigned {
  key: string
  certificate: string
}

/**
 * Made by hand from RFC 5280, section 4.1, as version 1: node has no way to make one, and a machine with nothing but
 * node has no openssl.
 */
export function selfSigned(): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // 1.2.840.10045.4.3.2, ecdsa-with-SHA256 (RFC 5758, section 3.2)
  const algorithm = sequence(Buffer.from('06082a8648ce3d040302', 'hex'))
  // 2.5.4.3, common name
  const name = sequence(
    der(0x31, sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('localhost')))),
  )
  const day = 24 * 60 * 60 * 1000
  const validity = sequence(utcTime(Date.now() - day), utcTime(Date.now() + day))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const body = sequence(der(0x02, Buffer.from([1])), algorithm, name, validity, name, spki)
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]))
  const encoded = sequence(body, algorithm, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${encoded.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
  }
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** X.690, section 8.1.3: a length above 127 is written with the number of its bytes in front. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from(head), content])
}

function utcTime(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${text}Z`))
}
