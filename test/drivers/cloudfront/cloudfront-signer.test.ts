import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { inspect } from 'node:util'
import { getSignedCookies, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { describe, expect, it } from 'vitest'
import { CloudFrontSigner } from '../../../src/drivers/cloudfront/index.js'

const EXPIRES = 1_795_647_600
const keyPairId = 'K2JCJMDEHXQW5F'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ecdsa = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const signer = new CloudFrontSigner({ keyPairId, privateKey: pemOf(rsa.privateKey) })
const byEcdsa = new CloudFrontSigner({ keyPairId, privateKey: pemOf(ecdsa.privateKey) })

const ORIGIN = 'https://files.acme.example'
const HEADERS = new URLSearchParams({
  'response-content-disposition': `attachment; filename="a (1).pdf"; filename*=UTF-8''%C3%A9.pdf`,
  'response-content-type': 'application/pdf',
}).toString()

const KEYS = [
  'media/acme/order_files/0192f0c1.pdf',
  'a b/c+d & e=f,g;h.pdf',
  'quotes \' and " (1)!~.txt',
  'percent %20 %zz # ? [x] {y} | ^ `',
  'é/日本/😀/👩\u200d👧.png',
]
const addresses = KEYS.map(key => `${ORIGIN}/${key.split('/').map(encodeURIComponent).join('/')}`)

/** What CloudFront puts together from a request to check its signature: the canned policy of its Developer Guide. */
function isSignedFor(publicKey: KeyObject, signedUrl: string): boolean {
  const [, address = '', expires = '', keyId = '', signature = ''] =
    /^(.*)[?&]Expires=(\d+)&Key-Pair-Id=(\w+)&Signature=([\w~-]+)$/.exec(signedUrl) ?? []
  const policy = `{"Statement":[{"Resource":"${address}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
  return keyId === keyPairId && verify('sha1', Buffer.from(policy), publicKey, fromUrlSafe(signature))
}

function fromUrlSafe(text: string): Buffer {
  const base64 = text.replace(/[-_~]/g, sign => ({ '-': '+', _: '=', '~': '/' })[sign] ?? sign)
  return Buffer.from(base64, 'base64')
}

describe('addresses signed for CloudFront', () => {
  it.each([...addresses, ...addresses.map(address => `${address}?size=1`)])("are the SDK's: %s", url => {
    const sdk = getSignedUrl({
      url,
      keyPairId,
      privateKey: pemOf(rsa.privateKey),
      dateLessThan: EXPIRES * 1000,
    })
    expect(signer.signUrl(url, { expires: EXPIRES })).toBe(sdk)
  })

  it.each([
    { kind: 'RSA', by: signer, publicKey: rsa.publicKey },
    { kind: 'ECDSA', by: byEcdsa, publicKey: ecdsa.publicKey },
  ])('hold an $kind signature of the address and its end', ({ by, publicKey }) => {
    for (const address of [...addresses, ...addresses.map(each => `${each}?${HEADERS}`)]) {
      const signed = by.signUrl(address, { expires: EXPIRES })
      expect(isSignedFor(publicKey, signed), signed).toBe(true)
      expect(signed).toContain(`Expires=${EXPIRES}&`)
      const changed = [
        signed.replace(`Expires=${EXPIRES}`, `Expires=${EXPIRES + 1}`),
        signed.replace('/files.', '/other.'),
        signed.replace('acme', 'acmf'),
      ]
      for (const other of changed) expect(isSignedFor(publicKey, other), other).toBe(false)
    }
  })

  it('keep what the answer shall say, signed', () => {
    const signed = signer.signUrl(`${addresses[1]}?${HEADERS}`, { expires: EXPIRES })
    const { searchParams } = new URL(signed)
    expect(searchParams.get('response-content-disposition')).toBe(
      `attachment; filename="a (1).pdf"; filename*=UTF-8''%C3%A9.pdf`,
    )
    expect(searchParams.get('response-content-type')).toBe('application/pdf')
    const inline = signed.replace('attachment', 'inline')
    expect(inline).not.toBe(signed)
    expect(isSignedFor(rsa.publicKey, inline)).toBe(false)
  })

  // The signature would also fit a custom policy, where a star opens other files.
  it('hold no wildcard, neither in the path nor in a parameter', () => {
    const signed = signer.signUrl(`${ORIGIN}/media/acme/*?response-content-disposition=filename*%3Da`, {
      expires: EXPIRES,
    })
    expect(signed).toMatch(/^[^*]+$/)
    expect(signed).toContain('/media/acme/%2A?response-content-disposition=filename%2A%3Da&Expires=')
    expect(isSignedFor(rsa.publicKey, signed)).toBe(true)
  })

  it('are the same for the same moment', () => {
    const [address = ''] = addresses
    const sign = () => signer.signUrl(address, { expires: EXPIRES })
    expect(sign()).toBe(sign())
  })

  it.each([
    '/media/acme/a.pdf',
    'ftp://files.acme.example/a.pdf',
    'https://files.acme.example',
    'https://files.acme.example/',
    'https://user@files.acme.example/a.pdf',
    'https://files.acme.example/a b.pdf',
    'https://files.acme.example/a"b.pdf',
    'https://files.acme.example/a\\b.pdf',
    'https://files.acme.example/a\nb.pdf',
    'https://files.acme.example/é.pdf',
    'https://files.acme.example/a.pdf#page=1',
    'https://files.acme.example/%zz.pdf',
    'https://files.acme.example/a.pdf?name=é',
    ...['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm'].flatMap(name => [
      `https://files.acme.example/a.pdf?${name}=1`,
      `https://files.acme.example/a.pdf?size=1&${name}`,
    ]),
  ])('are not made for %j', url => {
    expect(() => signer.signUrl(url, { expires: EXPIRES })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('do not end at %s', expires => {
    const options = { resource: `${ORIGIN}/a/*`, expires }
    for (const make of [() => signer.signUrl(`${ORIGIN}/a`, options), () => signer.cookies(options)])
      expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})

describe('cookies for CloudFront', () => {
  it.each([
    { kind: 'RSA', by: signer, publicKey: rsa.publicKey },
    { kind: 'ECDSA', by: byEcdsa, publicKey: ecdsa.publicKey },
  ])('hold an $kind signature of the policy that goes with it', ({ by, publicKey }) => {
    const cookies = by.cookies({ resource: `${ORIGIN}/media/acme/*`, expires: EXPIRES })
    expect(Object.keys(cookies).sort()).toEqual([
      'CloudFront-Key-Pair-Id',
      'CloudFront-Policy',
      'CloudFront-Signature',
    ])
    const policy = fromUrlSafe(cookies['CloudFront-Policy']!)
    expect(JSON.parse(policy.toString())).toEqual({
      Statement: [
        {
          Resource: `${ORIGIN}/media/acme/*`,
          Condition: { DateLessThan: { 'AWS:EpochTime': EXPIRES } },
        },
      ],
    })
    expect(verify('sha1', policy, publicKey, fromUrlSafe(cookies['CloudFront-Signature']!))).toBe(true)
    expect(cookies['CloudFront-Key-Pair-Id']).toBe(keyPairId)
  })

  it("are the SDK's", () => {
    const resource = `${ORIGIN}/media/acme/a.pdf`
    const policy = `{"Statement":[{"Resource":"${resource}","Condition":{"DateLessThan":{"AWS:EpochTime":${EXPIRES}}}}]}`
    const sdk = getSignedCookies({ policy, keyPairId, privateKey: pemOf(rsa.privateKey) })
    expect(signer.cookies({ resource, expires: EXPIRES })).toEqual(sdk)
  })

  it.each([
    '*',
    'https://*/a.pdf',
    'https://files.acme.example/media/acme*',
    'https://files.acme.example/media/acme/../*',
    'https://files.acme.example/media/*/a.pdf',
    'https://files.acme.example/media/*.pdf',
    'https://files.acme.example/media/acme?/*',
    'https://files.acme.example/media/acme/**',
    'https://files.acme.example',
    'http*://files.acme.example/media/acme/*',
  ])('open no more than one path: %s', resource => {
    expect(() => signer.cookies({ resource, expires: EXPIRES })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})

describe('the key of a CloudFront signer', () => {
  it('may be parsed already', () => {
    const parsed = new CloudFrontSigner({ keyPairId, privateKey: rsa.privateKey })
    const [address = ''] = addresses
    expect(parsed.signUrl(address, { expires: EXPIRES })).toBe(signer.signUrl(address, { expires: EXPIRES }))
  })

  const pem = pemOf(rsa.privateKey)
  const locked = rsa.privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'p',
  })
  it.each([
    { what: 'no PEM', privateKey: 'AKIA-very-secret' },
    { what: 'empty', privateKey: '' },
    { what: 'PEM with written line breaks', privateKey: pem.replaceAll('\n', '\\n') },
    { what: 'PEM that is cut off', privateKey: pem.slice(0, 400) },
    { what: 'behind a passphrase', privateKey: locked.toString() },
    { what: 'a public key', privateKey: rsa.publicKey },
    { what: 'a short RSA key', privateKey: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey },
    { what: 'a key on P-384', privateKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey },
    { what: 'an Ed25519 key', privateKey: generateKeyPairSync('ed25519').privateKey },
  ])('is refused, and never shown, when it is $what', ({ privateKey }) => {
    let error: unknown
    try {
      new CloudFrontSigner({ keyPairId, privateKey })
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'ERR_CONFIG' })
    const lines = typeof privateKey === 'string' ? privateKey.split(/\\n|\n/) : []
    for (const line of lines.filter(each => each.length > 8 && !each.startsWith('---')))
      expect(inspect(error, { depth: 9 })).not.toContain(line)
  })

  it.each(['', 'a&b', 'a b', undefined])('needs the id of its public key, not %j', id => {
    expect(() => new CloudFrontSigner({ keyPairId: id as string, privateKey: rsa.privateKey })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})
