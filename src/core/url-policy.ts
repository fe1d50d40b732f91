import type { Disposition } from './content-disposition.js'
import type { Driver } from './driver.js'
import { StorageError } from './errors.js'
import { isTypePattern, matchesType } from './media-type.js'

/** How long signed URLs live, and how they are answered. All times are in seconds. */
export interface UrlOptions {
  /** Default: 3,600. */
  expiresIn?: number
  /** The first rule that fits decides. */
  rules?: readonly UrlRule[]
  /**
   * No URL lives longer, whoever asks; a function gives each tenant a cap of its own. Default, and never more: 604,800,
   * the limit of SigV4 (seven days).
   */
  maxExpiresIn?: number | ((tenant: string | null) => number)
}

/** A life for some files. A rule fits when everything that it names fits. */
export interface UrlRule {
  /** For example `application/pdf`, `image/*`. */
  types?: readonly string[]
  /** Of the file's name, in small letters and without the dot: `pdf`. */
  extensions?: readonly string[]
  disks?: readonly string[]
  /** Entity and property: `OrderFile.file`. */
  fields?: readonly string[]
  expiresIn: number
  disposition?: Disposition
}

/**
 * A ready-made rule: documents can be read for a day, for example from a mail. Not on by default, because it gives the
 * most private files the longest life.
 *
 * @example createStorage({ urls: { rules: [DOCUMENTS_FOR_A_DAY] }, … })
 */
export const DOCUMENTS_FOR_A_DAY: UrlRule = {
  types: [
    'application/pdf',
    'application/msword',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ],
  expiresIn: 86_400,
}

/** What one call may ask for. */
export interface UrlRequest {
  /** Seconds. */
  expiresIn?: number
  disposition?: Disposition
  /** The name to save under, instead of the file's own. */
  filename?: string
  /** The type to answer with, instead of the file's own. What a browser would run stays an attachment. */
  contentType?: string
  /** A URL for GET serves HEAD too where the backend allows it. Default: `GET`. */
  method?: 'GET' | 'HEAD'
}

/** What a file's column says of its URLs. */
export interface ColumnUrls {
  /** Entity and property: `OrderFile.file`. */
  readonly field?: string
  /** Seconds. */
  readonly expiresIn?: number
  readonly disposition?: Disposition
}

/** What the policy looks at. */
export interface UrlSubject {
  readonly disk: string
  readonly tenant: string | null
  readonly type?: string
  readonly name?: string
  readonly column?: ColumnUrls
}

/** What is decided for one URL. */
export interface UrlLife {
  /** Seconds. */
  readonly expiresIn: number
  /** The start of the window, in milliseconds since 1970: all URLs of the window are signed for it. */
  readonly at: number
  /** Until when the URL may be handed out again, in milliseconds since 1970: the end of the window. */
  readonly until: number
  /** How long a client may keep the answer, in seconds; never longer than the URL lives. */
  readonly maxAge: number
  readonly disposition: Disposition | undefined
}

const DEFAULT_EXPIRES_IN = 3600
const SEVEN_DAYS = 604_800

/** Decides how long a URL lives: the call, its column, the first rule that fits, the disk, the default; then the caps. */
export class UrlPolicy {
  readonly #expiresIn: number
  readonly #cap: (tenant: string | null) => number
  readonly #longest: number
  readonly #rules: readonly UrlRule[]

  /** @throws ERR_CONFIG for a life that is no positive whole number of seconds, and for a rule that cannot fit */
  constructor({ expiresIn = DEFAULT_EXPIRES_IN, rules = [], maxExpiresIn = SEVEN_DAYS }: UrlOptions = {}) {
    assertSeconds(expiresIn)
    for (const rule of rules) assertRule(rule)
    this.#expiresIn = expiresIn
    this.#cap = capOf(maxExpiresIn)
    this.#longest = typeof maxExpiresIn === 'function' ? SEVEN_DAYS : this.#cap(null)
    // A copy: what the options say later does not count.
    this.#rules = structuredClone(rules)
  }

  /** How long a URL may live at most, in seconds. */
  get longest(): number {
    return this.#longest
  }

  /** The fields that rules name. */
  get fields(): readonly string[] {
    return this.#rules.flatMap(rule => rule.fields ?? [])
  }

  /**
   * @param diskExpiresIn what the disk says
   * @param now in milliseconds since 1970
   * @param signer says how long what it signs with will last, where that is not for ever
   * @throws ERR_CONFIG for an `expiresIn` that is no positive whole number or above the cap
   */
  lifeOf(
    subject: UrlSubject,
    diskExpiresIn: number | undefined,
    request: UrlRequest,
    now: number,
    signer: Pick<Driver, 'signableFor'> = {},
  ): UrlLife {
    assertDisposition(request.disposition)
    assertMethod(request.method)
    const { column } = subject
    const rule = this.#rules.find(candidate => fits(candidate, subject))
    const otherwise = column?.expiresIn ?? rule?.expiresIn ?? diskExpiresIn ?? this.#expiresIn
    const asked = this.#capped(request.expiresIn, otherwise, subject.tenant)
    // Half the life is the longest window that leaves every URL at least half its life (facts: morphic#941).
    const window = Math.max(1, Math.floor(asked / 2))
    const at = Math.floor(now / 1000 / window) * window * 1000
    // Counted from the start of the window: all URLs of it are the same.
    const expiresIn = Math.min(asked, signer.signableFor?.(at) ?? asked)
    return {
      expiresIn,
      at,
      // What the credentials cut short is signed anew as soon as there are better ones.
      until: expiresIn < asked ? now : at + window * 1000,
      maxAge: Math.max(0, expiresIn - window),
      disposition: request.disposition ?? column?.disposition ?? rule?.disposition,
    }
  }

  #capped(asked: number | undefined, otherwise: number, tenant: string | null): number {
    const cap = this.#cap(tenant)
    if (asked === undefined) return Math.min(otherwise, cap)
    assertSeconds(asked)
    if (asked <= cap) return asked
    throw new StorageError('ERR_CONFIG', `expiresIn may be at most ${cap} seconds here; got ${asked}.`)
  }
}

function capOf(maxExpiresIn: NonNullable<UrlOptions['maxExpiresIn']>): (tenant: string | null) => number {
  if (typeof maxExpiresIn !== 'function') {
    assertSeconds(maxExpiresIn)
    const cap = Math.min(maxExpiresIn, SEVEN_DAYS)
    return () => cap
  }
  return tenant => {
    const cap = maxExpiresIn(tenant)
    assertSeconds(cap)
    return Math.min(cap, SEVEN_DAYS)
  }
}

function fits(rule: UrlRule, { disk, type, name, column }: UrlSubject): boolean {
  const { types, extensions, disks, fields } = rule
  return (
    (types === undefined || (type !== undefined && types.some(pattern => matchesType(pattern, type)))) &&
    (extensions === undefined || (name !== undefined && extensions.includes(extensionOf(name)))) &&
    (disks === undefined || disks.includes(disk)) &&
    (fields === undefined || (column?.field !== undefined && fields.includes(column.field)))
  )
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toLowerCase()
}

/** What a rule names must look like something that exists, or it would silently never fit. */
const PARTS = [
  { part: 'types', isOne: isTypePattern, like: '"application/pdf" or "image/*"' },
  { part: 'extensions', isOne: (text: string) => /^[a-z0-9]{1,16}$/.test(text), like: '"pdf"' },
  { part: 'fields', isOne: (text: string) => /^\w+(\.\w+)+$/.test(text), like: '"OrderFile.file"' },
] as const

function assertRule(rule: UrlRule): void {
  assertSeconds(rule.expiresIn)
  assertDisposition(rule.disposition)
  for (const { part, isOne, like } of PARTS) {
    const wrong = rule[part]?.find(text => typeof text !== 'string' || !isOne(text))
    if (wrong === undefined) continue
    throw new StorageError('ERR_CONFIG', `The ${part} of a URL rule look like ${like}; got "${wrong}".`)
  }
}

/** @throws ERR_CONFIG for a life that is no positive whole number of seconds */
export function assertSeconds(seconds: unknown): asserts seconds is number {
  if (typeof seconds === 'number' && Number.isInteger(seconds) && seconds > 0) return
  throw new StorageError('ERR_CONFIG', `expiresIn is a positive whole number of seconds; got ${seconds}.`)
}

/** It may come from a query string, and goes into a header. @throws ERR_CONFIG */
export function assertDisposition(disposition: unknown): void {
  if (disposition === undefined || disposition === null) return
  if (disposition === 'inline' || disposition === 'attachment') return
  throw new StorageError('ERR_CONFIG', 'disposition is "inline" or "attachment".')
}

/** A URL that stores or deletes would change a file behind the back of its row and the ledger. */
function assertMethod(method: unknown): void {
  if (method === undefined || method === 'GET' || method === 'HEAD') return
  throw new StorageError('ERR_CONFIG', 'The method of a signed URL of a file is GET or HEAD.')
}
