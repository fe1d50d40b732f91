import type { IncomingHttpHeaders } from 'node:http'
import type { ObjectInfo } from '../core/driver.js'

/** By what a client's copy of a file is recognised. */
type Validators = Pick<ObjectInfo, 'etag' | 'lastModified'>

/** What the conditions of a request come to: the answer as usual, 304, or 412. */
export type Verdict = 'answer' | 'not modified' | 'failed'

const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

// RFC 9110, section 5.6.7: the form of today and the two obsolete ones, the last of which names no time zone.
const TODAY = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const RFC_850 = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/** Whether a request for reading has any condition that needs the file's validators. */
export function isConditional(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-match'] !== undefined ||
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-unmodified-since'] !== undefined ||
    headers['if-range'] !== undefined
  )
}

/**
 * Judges the conditions of a GET or HEAD, in the order of RFC 9110, section 13.2.2. A header that is no valid one
 * counts as absent (dates) or as matching nothing (entity tags).
 */
export function judge(headers: IncomingHttpHeaders, file: Validators): Verdict {
  const match = headers['if-match']
  const noneMatch = headers['if-none-match']
  if (match !== undefined) {
    if (!lists(match, file.etag, isStrongMatch)) return 'failed'
  } else if (isChangedSince(headers['if-unmodified-since'], file) === true) return 'failed'
  if (noneMatch !== undefined) return lists(noneMatch, file.etag, isWeakMatch) ? 'not modified' : 'answer'
  return isChangedSince(headers['if-modified-since'], file) === false ? 'not modified' : 'answer'
}

/**
 * Whether the client's part belongs to this very file, so that it may get the rest of it (RFC 9110, section 13.1.5).
 *
 * @param now in milliseconds since 1970
 */
export function permitsRange(headers: IncomingHttpHeaders, file: Validators, now: number): boolean {
  const condition = headers['if-range']
  if (typeof condition !== 'string') return true
  if (/^(W\/)?"/.test(condition)) return file.etag !== undefined && isStrongMatch(condition, file.etag)
  const modified = secondsOf(file.lastModified)
  // A file of this very second may change once more within it: its date tells nothing (section 8.8.2.2).
  return parseDate(condition) === modified && modified + 1 <= now / 1000
}

function lists(
  header: string,
  etag: string | undefined,
  isMatch: (a: string, b: string) => boolean,
): boolean {
  if (header.trim() === '*') return true // there is such a file, or nobody would ask here
  if (etag === undefined) return false
  return header.match(ENTITY_TAG)?.some(listed => isMatch(listed, etag)) ?? false
}

/** RFC 9110, section 8.8.3.2. */
function isStrongMatch(a: string, b: string): boolean {
  return a === b && !a.startsWith('W/')
}

function isWeakMatch(a: string, b: string): boolean {
  return opaqueTag(a) === opaqueTag(b)
}

function opaqueTag(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag
}

/** Undefined without a valid date. */
function isChangedSince(header: string | undefined, { lastModified }: Validators): boolean | undefined {
  const since = parseDate(header)
  return since === undefined ? undefined : secondsOf(lastModified) > since
}

/** Seconds since 1970. */
function parseDate(header: string | undefined): number | undefined {
  const text = header?.trim() ?? ''
  const known = TODAY.test(text) || RFC_850.test(text) ? text : ASCTIME.test(text) ? `${text} GMT` : ''
  const time = Date.parse(known)
  return Number.isNaN(time) ? undefined : time / 1000
}

/** What Last-Modified says of it. */
function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1000)
}
