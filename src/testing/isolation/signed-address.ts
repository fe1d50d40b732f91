import { StorageError } from '../../core/errors.js'
import type { Storage } from '../../core/storage.js'
import { type Inspection, isSuccess, type Uploaded } from './inspection.js'
import type { IsolationCaller } from './options.js'
import { type Answer, ask } from './site.js'
import { lastSegment } from './traces.js'

/** The address of a file: who serves it, and the path. */
interface Located {
  /** Undefined: the application itself. */
  readonly origin: string | undefined
  readonly path: string
  /** Whether `serveFiles` reads it; a cloud lets the parameters come in any order. */
  readonly isOurs: boolean
}

const NOBODY: IsolationCaller = { memberOf: null, actsFor: null }

/** The file's signed address opens for whom it was made, and no change of it opens anything. */
export async function checkSignedAddress<Row>(
  inspection: Inspection<Row>,
  file: Uploaded<Row>,
): Promise<void> {
  const { options, findings } = inspection
  const url = options.urlOf === undefined ? addressIn(file.row, file) : options.urlOf(file.row)
  if (url === undefined) {
    if (options.signedUrls !== undefined)
      findings.add("The signed address proves nothing: the upload's answer holds none")
    return
  }
  if (isPublic(options.storage, file)) return
  const located = locate(options.storage, url, file)
  const get = (path: string, caller?: IsolationCaller) => fetchAt(inspection, { ...located, path }, caller)
  const isBearer = isSuccess((await get(located.path)).status)
  const isBound = options.signedUrls === 'bound' || !isBearer
  const reader = isBearer ? undefined : inspection.owner
  if (!(await get(located.path, reader)).body.includes(file.bytes))
    return findings.add('The signed address proves nothing: it does not give the file to its owner')
  if (isBound) await checkBound(inspection, path => get(located.path, path))
  for (const [what, path] of Object.entries(changes(located, inspection))) {
    if (path !== located.path && isSuccess((await get(path, reader)).status))
      findings.add(`The file's address is still good ${what}`)
  }
}

async function checkBound<Row>(
  { strangers, findings }: Inspection<Row>,
  get: (caller: IsolationCaller | undefined) => Promise<Answer>,
): Promise<void> {
  for (const caller of [NOBODY, ...strangers.filter(({ memberOf }) => memberOf !== null)])
    if (isSuccess((await get(caller)).status))
      findings.add("The file's address is bound to its tenant, and opens to", caller)
}

async function fetchAt<Row>(
  inspection: Inspection<Row>,
  { origin, path }: Located,
  caller?: IsolationCaller,
): Promise<Answer> {
  const headers = caller === undefined ? {} : inspection.options.as(caller).headers
  const address = (origin ?? new URL(inspection.origin).origin) + path
  return (await ask(address, { headers })) ?? { status: 0, headers: {}, body: Buffer.alloc(0) }
}

/** What a stranger would try on an address that fell into their hands. */
function changes<Row>({ path, isOurs }: Located, { options }: Inspection<Row>): Record<string, string> {
  const [owner, other] = options.tenants
  const [plain = '', query = ''] = path.split('?')
  const [first = '', ...rest] = query.split('&')
  return {
    'without its signature': plain,
    'with another signature': path.replace(
      /((?:signature|[?&]sig)=)(.)/i,
      (_all, name: string, char: string) => name + (char === 'a' ? 'b' : 'a'),
    ),
    'with a longer life': path.replace(
      /((?:expires|[?&]se)=)(\d)/i,
      (_all, name: string, digit: string) => name + ((Number(digit) + 1) % 10),
    ),
    'for another tenant': path.replace(`/${owner}/`, `/${other}/`),
    'by a detour through another tenant': path.replace(`/${owner}/`, `/${other}/../${owner}/`),
    'with a tenant in capitals': path.replace(`/${owner}/`, `/${owner.toUpperCase()}/`),
    ...(isOurs && { 'with a parameter twice': `${path}&${first}` }),
    ...(isOurs && { 'with its parameters in another order': `${plain}?${[...rest, first].join('&')}` }),
  }
}

function isPublic<Row>(storage: Storage, { addresses }: Uploaded<Row>): boolean {
  return addresses.every(({ disk }) => storage.disk(disk).options.visibility === 'public')
}

function locate<Row>(storage: Storage, url: string, { addresses }: Uploaded<Row>): Located {
  const isWhole = /^https?:\/\//.test(url)
  const start = isWhole ? url.indexOf('/', url.indexOf('//') + 2) : 0
  const path = url.slice(start)
  const isOurs = addresses.some(({ backend }) =>
    isPermitted(storage, path.slice(path.indexOf(`/${backend}/`))),
  )
  return { origin: isWhole && !isOurs ? url.slice(0, start) : undefined, path, isOurs }
}

function isPermitted(storage: Storage, tail: string): boolean {
  try {
    storage.verifyUrl(tail)
    return true
  } catch (error) {
    if (StorageError.is(error)) return false
    throw error
  }
}

/** The first text, at any depth of an answer, that holds the key of one of the file's objects. */
function addressIn<Row>(value: unknown, file: Uploaded<Row>): string | undefined {
  if (typeof value === 'string') {
    const isAddress = /^(https?:\/)?\//.test(value)
    return isAddress && file.addresses.some(({ key }) => value.includes(lastSegment(key))) ? value : undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  return Object.values(value)
    .map(each => addressIn(each, file))
    .find(found => found !== undefined)
}
