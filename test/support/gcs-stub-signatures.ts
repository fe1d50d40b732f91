import { createHash, createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { StubError } from './gcs-stub-store.js'

/** Who may sign, and with what. */
export interface StubAccounts {
  /** Public keys in PEM, by the address of the service account. */
  readonly accounts: ReadonlyMap<string, string>
  /** By access id. */
  readonly hmacKeys: ReadonlyMap<string, { secret: string; account: string }>
}

const WEEK = 604_800
const REQUIRED = ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'] as const

/**
 * Verifies the V4 signature of a URL, written from "Signatures" and "Canonical requests" in the Cloud Storage
 * documentation, not from the driver.
 *
 * @returns the account that signed
 */
export function verifySignedUrl(req: IncomingMessage, known: StubAccounts): string {
  const [path = '', search = ''] = (req.url ?? '').split('?')
  const query = parseQuery(search)
  const [algorithm, credential, date, expires, signedHeaders, signature] = REQUIRED.map(name => {
    const value = query.get(`X-Goog-${name}`)
    if (value === undefined) throw new StubError(400, 'MalformedSecurityHeader', `X-Goog-${name} is missing.`)
    return value
  }) as [string, string, string, string, string, string]
  const { signer, scope } = parseCredential(credential, date)
  assertInTime(date, expires)
  const canonical = [
    req.method,
    canonicalPath(path),
    canonicalQuery(query),
    canonicalHeaders(req, signedHeaders),
    signedHeaders,
    req.headers['x-goog-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  ].join('\n')
  const text = `${algorithm}\n${date}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
  if (!/^[0-9a-f]+$/.test(signature)) throw mismatch()
  const bytes = Buffer.from(signature, 'hex')
  if (algorithm === 'GOOG4-RSA-SHA256') return verifyRsa(text, bytes, signer, known)
  if (algorithm === 'GOOG4-HMAC-SHA256') return verifyHmac(text, bytes, signer, scope, known)
  throw new StubError(400, 'InvalidSecurity', 'There is no such algorithm.')
}

/** A JWT that a service account signed itself, as a bearer token (AIP-4111). @returns the account */
export function verifyToken(header: string | undefined, { accounts }: StubAccounts): string {
  const denied = new StubError(401, 'authError', 'Invalid Credentials')
  const [, token = ''] = /^Bearer (.+)$/.exec(header ?? '') ?? []
  if (token === '') throw new StubError(401, 'required', 'Anonymous caller does not have storage access.')
  const [head = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}') as Record<string, unknown>
  const pem = accounts.get(String(claims.iss))
  if (pem === undefined) throw denied
  const signed = Buffer.from(`${head}.${payload}`)
  const isGood = verify('sha256', signed, createPublicKey(pem), Buffer.from(signature, 'base64url'))
  const inScope = String(claims.scope).includes('https://www.googleapis.com/auth/devstorage.full_control')
  if (!isGood || !inScope || Number(claims.exp) * 1000 < Date.now()) throw denied
  return String(claims.iss)
}

/** The parameters, decoded; one that comes twice would be signed once. */
function parseQuery(search: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const part of search.split('&').filter(text => text !== '')) {
    const [name, value] = part.split(/=(.*)/s).map(text => decodeURIComponent(text.replaceAll('+', ' ')))
    if (name === undefined || query.has(name)) throw new StubError(400, 'InvalidArgument', 'Twice.')
    query.set(name, value ?? '')
  }
  return query
}

function parseCredential(credential: string, date: string): { signer: string; scope: string } {
  const [signer = '', day = '', location = '', service, request, ...rest] = credential.split('/')
  const isWhole = service === 'storage' && request === 'goog4_request' && rest.length === 0
  if (!isWhole || signer === '' || location === '' || day !== date.slice(0, 8))
    throw new StubError(400, 'InvalidArgument', 'The credential scope is not valid.')
  return { signer, scope: `${day}/${location}/${service}/${request}` }
}

function assertInTime(date: string, expires: string): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  const life = /^\d+$/.test(expires) ? Number(expires) : 0
  if (match === null || life < 1 || life > WEEK)
    throw new StubError(400, 'InvalidArgument', 'Date or Expires is not valid.')
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number)
  const start = Date.UTC(year, month - 1, ...rest)
  if (Date.now() < start - 15 * 60_000) throw new StubError(403, 'AccessDenied', 'Not valid yet.')
  if (Date.now() > start + life * 1000) throw new StubError(400, 'ExpiredToken', 'Expired.')
}

function canonicalPath(path: string): string {
  return path
    .split('/')
    .map(segment => encode(decodeURIComponent(segment)))
    .join('/')
}

function canonicalQuery(query: Map<string, string>): string {
  const lines = [...query]
    .filter(([name]) => name !== 'X-Goog-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
  lines.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return lines.map(([name, value]) => `${name}=${value}`).join('&')
}

/** Google's own host has no port, and the SDK signs none; so the stub's port does not count. */
function canonicalHeaders(req: IncomingMessage, signedHeaders: string): string {
  const names = signedHeaders.split(';')
  const isSorted = names.join(';') === [...names].sort().join(';')
  if (!names.includes('host') || !isSorted) throw new StubError(400, 'InvalidArgument', 'SignedHeaders.')
  for (const name of Object.keys(req.headers)) {
    if (name.startsWith('x-goog-') && !names.includes(name))
      throw new StubError(403, 'AccessDenied', `${name} is not signed.`)
  }
  return names
    .map(name => {
      const value = String(req.headers[name] ?? '')
      return `${name}:${name === 'host' ? value.replace(/:\d+$/, '') : value.trim().replace(/ +/g, ' ')}\n`
    })
    .join('')
}

/** RFC 3986: everything but the unreserved characters. */
function encode(text: string): string {
  return [...Buffer.from(text)]
    .map(byte => {
      const char = String.fromCharCode(byte)
      return /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

function verifyRsa(text: string, signature: Buffer, signer: string, { accounts }: StubAccounts): string {
  const pem = accounts.get(signer)
  if (pem === undefined) throw new StubError(403, 'AccessDenied', 'There is no such account.')
  if (!verify('sha256', Buffer.from(text), createPublicKey(pem), signature)) throw mismatch()
  return signer
}

function verifyHmac(
  text: string,
  signature: Buffer,
  signer: string,
  scope: string,
  { hmacKeys }: StubAccounts,
): string {
  const known = hmacKeys.get(signer)
  if (known === undefined) throw new StubError(403, 'AccessDenied', 'There is no such access id.')
  const [day = '', location = ''] = scope.split('/')
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
  const key = hmac(hmac(hmac(hmac(`GOOG4${known.secret}`, day), location), 'storage'), 'goog4_request')
  const expected = hmac(key, text)
  if (expected.length !== signature.length || !timingSafeEqual(expected, signature)) throw mismatch()
  return known.account
}

function mismatch(): StubError {
  return new StubError(403, 'SignatureDoesNotMatch', 'The signature does not match.')
}
