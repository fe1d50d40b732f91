import { type LookupAddress, lookup } from 'node:dns'
import { type ClientRequest, type IncomingHttpHeaders, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { abortError } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import type { OpenedSource } from './opened-source.js'
import { isPublicAddress } from './public-address.js'

/** A file that another server has. */
export interface RemoteFile {
  /** `https:` or `http:`, without user and password. */
  readonly url: string | URL
  /**
   * Hosts, with or without a port, that may lie in a private network: `files.intranet`, `127.0.0.1:8080`. Without them
   * only public addresses are asked, so that nobody reaches your own servers through a URL (SSRF).
   */
  readonly privateHosts?: readonly string[]
  /** How many redirects are followed. Default: 5. */
  readonly maxRedirects?: number
}

/** What {@link openUrl} must know. */
export interface OpenUrlOptions {
  readonly signal: AbortSignal | undefined
  /** Seconds until the answer must begin, redirects included. */
  readonly timeout: number
}

/** What another server answers with. */
interface Answer extends Readable {
  readonly statusCode?: number
  readonly headers: IncomingHttpHeaders
}

type Lookup = (
  hostname: string,
  options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Opens a file of another server. Every address that is connected to is checked, also those of redirects, and it is the
 * address that was checked: a name that resolves to another one a moment later (DNS rebinding) gains nothing.
 *
 * @param resolve of names; for tests
 * @throws ERR_CONFIG for options that are none, ERR_SOURCE_REFUSED for an address that may not be asked,
 *   ERR_SOURCE_FAILED for one that does not answer with a file, ERR_UPLOAD_TIMEOUT, the signal's reason
 */
export async function openUrl(
  remote: RemoteFile,
  { signal, timeout }: OpenUrlOptions,
  resolve: Lookup = lookup,
): Promise<OpenedSource> {
  const { maxRedirects = 5 } = remote
  assertOptions(remote)
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeout * 1000)
  const ended = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal])
  let url = parse(remote.url)
  try {
    for (let left = maxRedirects; ; left--) {
      const answer = await ask(url, { ended, lookup: guardFor(remote, url, resolve) })
      const next = redirectOf(answer, url)
      if (next === undefined) return opened(answer, url, remote)
      if (left <= 0) throw refused(`it redirects more than ${maxRedirects} times`)
      url = next
    }
  } catch (error) {
    if (signal?.aborted) throw abortError(signal)
    if (StorageError.is(error)) throw error
    if (late.signal.aborted)
      throw new StorageError('ERR_UPLOAD_TIMEOUT', `The other server took more than ${timeout} seconds.`)
    throw failed('The other server could not be reached.', error)
  } finally {
    clearTimeout(timer) // the body has bounds of its own
  }
}

function assertOptions({ privateHosts = [], maxRedirects = 0 }: RemoteFile): void {
  if (!Array.isArray(privateHosts) || !privateHosts.every(host => typeof host === 'string'))
    throw new StorageError('ERR_CONFIG', 'privateHosts is a list of hosts such as "files.intranet:8080".')
  if (!Number.isSafeInteger(maxRedirects) || maxRedirects < 0)
    throw new StorageError('ERR_CONFIG', 'maxRedirects is a whole number, 0 or more.')
}

function parse(text: string | URL, base?: URL): URL {
  let url: URL
  try {
    url = new URL(text, base)
  } catch {
    throw refused('it is no URL')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused('it is neither https nor http')
  if (url.username !== '' || url.password !== '') throw refused('it holds a user or a password')
  if (base?.protocol === 'https:' && url.protocol === 'http:')
    throw refused('it redirects from https to http')
  return url
}

/** How names become addresses for one host. Where the host is an address itself, node asks nobody. */
function guardFor({ privateHosts = [] }: RemoteFile, url: URL, resolve: Lookup): LookupFunction {
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  // A URL leaves out the port that its protocol has anyway; a list may name it.
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const names = [url.hostname, `${url.hostname}:${port}`]
  const mayBePrivate = privateHosts.some(each => names.includes(each.toLowerCase()))
  if (!mayBePrivate && isIP(hostname) !== 0 && !isPublicAddress(hostname)) throw notPublic()
  return (name, options, callback) => {
    resolve(name, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      if (error !== null || first === undefined) return callback(error ?? notPublic(), '')
      if (!mayBePrivate && !addresses.every(({ address }) => isPublicAddress(address)))
        return callback(notPublic(), '')
      if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

function ask(url: URL, options: { ended: AbortSignal; lookup: LookupFunction }): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestSecure : requestPlain
  // An agent of its own: no connection that was opened under other rules, and none that stays.
  const { ended, lookup } = options
  const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'tenant-files' }
  return new Promise((resolve, reject) => {
    const asking: ClientRequest = request(url, { agent: false, headers, lookup, signal: ended })
    asking
      .once('response', answer => {
        // Of a file without a length, a connection that is reset looks like the end.
        asking.on('error', error => answer.destroy(error))
        resolve(answer)
      })
      .on('error', reject)
      // Neither an answer nor an error of node's: it closes the connection and says nothing more.
      .once('upgrade', (_answer, socket) => {
        socket.destroy()
        reject(new Error('The other server wants to speak another protocol.'))
      })
      .end()
  })
}

/** Where to ask next. Nothing more is read of such an answer, also where it leads to what may not be asked. */
function redirectOf(answer: Answer, from: URL): URL | undefined {
  const { statusCode = 0, headers } = answer
  if (!REDIRECTS.has(statusCode) || headers.location === undefined) return undefined
  answer.destroy()
  return parse(headers.location, from)
}

function opened(answer: Answer, url: URL, remote: RemoteFile): OpenedSource {
  const { statusCode, headers } = answer
  const encoding = headers['content-encoding'] ?? 'identity'
  const transfer = headers['transfer-encoding'] ?? 'chunked'
  const fault =
    statusCode !== 200
      ? `The other server answered ${statusCode}.`
      : (encoding !== 'identity' || transfer !== 'chunked') &&
        'The other server sent the file compressed, although it was asked not to.'
  if (fault) {
    answer.destroy()
    throw failed(fault)
  }
  const length = headers['content-length']
  return {
    source: answer,
    name: nameOf(parse(remote.url)) ?? nameOf(url),
    type: headers['content-type'],
    size: length === undefined ? undefined : Number(length),
  }
}

/** The last segment of the path, where it is a name. */
function nameOf({ pathname }: URL): string | undefined {
  try {
    return decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1)) || undefined
  } catch {
    return undefined
  }
}

/** Says nothing of the address: whoever may name URLs should not learn who answers in a private network. */
function notPublic(): StorageError {
  return refused('its host is not public')
}

function refused(why: string): StorageError {
  return new StorageError('ERR_SOURCE_REFUSED', `This URL is not fetched: ${why}.`, {
    operation: 'storeFile',
  })
}

function failed(message: string, cause?: unknown): StorageError {
  return new StorageError('ERR_SOURCE_FAILED', message, { operation: 'storeFile', cause })
}
