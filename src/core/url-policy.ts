import type { Disposition } from './content-disposition.js'
import { StorageError } from './errors.js'
import { isTypePattern, matchesType } from './media-type.js'

/** How long signed URLs live, and how they are answered. All times are in seconds. */
export interface UrlOptions {
  /** Default: 3,600. */
  expiresIn?: number
  /** The first rule that fits decides. */
  rules?: readonly UrlRule[]
  /** No URL lives longer, whoever asks. Default: 604,800, the limit of SigV4 (seven days). */
  maxExpiresIn?: number
}

/** A life for some files. A rule fits when everything that it names fits. */
export interface UrlRule {
  types?: readonly string[]
  disks?: readonly string[]
  expiresIn: number
  disposition?: Disposition
}

/** What one call may ask for. */
export interface UrlRequest {
  /** Seconds. */
  expiresIn?: number
  disposition?: Disposition
  /** The name to save under, instead of the file's own. */
  filename?: string
}

/** What is decided for one URL. */
export interface UrlLife {
  /** Seconds. */
  readonly expiresIn: number
  /** The start of the window, in milliseconds since 1970: all URLs of the window are signed for it. */
  readonly at: number
  /** How long a client may keep the answer, in seconds; never longer than the URL lives. */
  readonly maxAge: number
  readonly disposition: Disposition | undefined
}

const DEFAULT_EXPIRES_IN = 3600
const SEVEN_DAYS = 604_800

/** Decides how long a URL lives: the call, then the first rule that fits, then the disk, then the default; then the cap. */
export class UrlPolicy {
  readonly #expiresIn: number
  readonly #maxExpiresIn: number
  readonly #rules: readonly UrlRule[]

  /** @throws ERR_CONFIG for a life that is no positive whole number of seconds */
  constructor({ expiresIn = DEFAULT_EXPIRES_IN, rules = [], maxExpiresIn = SEVEN_DAYS }: UrlOptions = {}) {
    for (const seconds of [expiresIn, maxExpiresIn, ...rules.map(rule => rule.expiresIn)])
      assertSeconds(seconds)
    for (const rule of rules) assertDisposition(rule.disposition)
    const wrong = rules.flatMap(rule => rule.types ?? []).find(type => !isTypePattern(type))
    if (wrong !== undefined)
      throw new StorageError(
        'ERR_CONFIG',
        `A URL rule's type must look like "application/pdf" or "image/*"; got "${wrong}".`,
      )
    this.#expiresIn = expiresIn
    this.#maxExpiresIn = Math.min(maxExpiresIn, SEVEN_DAYS)
    // A copy: what the options say later does not count.
    this.#rules = structuredClone(rules)
  }

  /**
   * @param now in milliseconds since 1970
   * @throws ERR_CONFIG for an `expiresIn` that is no positive whole number or above the cap
   */
  lifeOf(
    file: { disk: string; type?: string },
    diskExpiresIn: number | undefined,
    request: UrlRequest,
    now: number,
  ): UrlLife {
    assertDisposition(request.disposition)
    const rule = this.#rules.find(candidate => fits(candidate, file))
    const expiresIn = this.#capped(request.expiresIn, rule?.expiresIn ?? diskExpiresIn ?? this.#expiresIn)
    // Half the life is the longest window that leaves every URL at least half its life (facts: morphic#941).
    const window = Math.max(1, Math.floor(expiresIn / 2))
    return {
      expiresIn,
      at: Math.floor(now / 1000 / window) * window * 1000,
      maxAge: Math.max(0, expiresIn - window),
      disposition: request.disposition ?? rule?.disposition,
    }
  }

  #capped(asked: number | undefined, otherwise: number): number {
    if (asked === undefined) return Math.min(otherwise, this.#maxExpiresIn)
    assertSeconds(asked)
    if (asked <= this.#maxExpiresIn) return asked
    throw new StorageError(
      'ERR_CONFIG',
      `expiresIn may be at most ${this.#maxExpiresIn} seconds here; got ${asked}.`,
    )
  }
}

function fits(rule: UrlRule, file: { disk: string; type?: string }): boolean {
  const { type } = file
  const byType =
    rule.types === undefined || (type !== undefined && rule.types.some(pattern => matchesType(pattern, type)))
  return byType && (rule.disks === undefined || rule.disks.includes(file.disk))
}

/** @throws ERR_CONFIG for a life that is no positive whole number of seconds */
export function assertSeconds(seconds: number): void {
  if (Number.isInteger(seconds) && seconds > 0) return
  throw new StorageError('ERR_CONFIG', `expiresIn is a positive whole number of seconds; got ${seconds}.`)
}

/** It may come from a query string, and goes into a header. */
function assertDisposition(disposition: unknown): void {
  if ([undefined, null, 'inline', 'attachment'].some(allowed => allowed === disposition)) return
  throw new StorageError('ERR_CONFIG', 'disposition is "inline" or "attachment".')
}
