/**
 * Types that a browser runs rather than shows. They are served as attachments on every backend, because a
 * script on the storage's origin reads whatever else lives there.
 */
const ACTIVE_TYPES: ReadonlySet<string> = new Set([
  'text/html',
  'application/xhtml+xml',
  'image/svg+xml',
  'text/xml',
  'application/xml',
  'text/xsl',
  // every name a browser knows for a script (WHATWG MIME Sniffing, section 4.6)
  'text/javascript',
  'text/x-javascript',
  'application/javascript',
  'application/x-javascript',
  'text/ecmascript',
  'text/x-ecmascript',
  'application/ecmascript',
  'application/x-ecmascript',
  'text/jscript',
  'text/livescript',
  ...[0, 1, 2, 3, 4, 5].map(minor => `text/javascript1.${minor}`),
  'application/x-shockwave-flash',
  'application/wasm',
  'multipart/related',
  'multipart/x-mixed-replace',
  'message/rfc822',
  // what a browser takes for no type, and looks at the bytes for (WHATWG MIME Sniffing, section 7)
  'unknown/unknown',
  'application/unknown',
])

// RFC 6838, section 4.2
const NAME = '[a-z0-9][a-z0-9!#$&^_.+-]*'
const PATTERN = new RegExp(`^(\\*/\\*|${NAME}/(\\*|${NAME}))$`)
const TYPE = new RegExp(`^${NAME}/${NAME}$`)

/**
 * Whether a browser may run content of this type: html, svg, xml and everything built on it, scripts. In doubt it
 * may: Express makes text/html of `html`, and browsers take the last type of `image/png, text/html` (WHATWG Fetch,
 * section 3.6).
 */
export function isActiveType(type: string): boolean {
  if (TYPE.test(type)) return ACTIVE_TYPES.has(type) || type.endsWith('+xml')
  const essence = type.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return !TYPE.test(essence) || type.includes(',') || ACTIVE_TYPES.has(essence) || essence.endsWith('+xml')
}

/** Whether a text is one plain type, without parameters. */
export function isMediaType(type: string): boolean {
  return TYPE.test(type)
}

/** Whether `pattern` is `type/subtype`, `type/*` or the pattern for everything. */
export function isTypePattern(pattern: string): boolean {
  return PATTERN.test(pattern)
}

/**
 * Whether a type satisfies a pattern, as a whole: a type with parameters or a line break satisfies none but the
 * pattern for everything. `image/*` means pictures, not programs: a wildcard does not include
 * active types, so svg is accepted only where `image/svg+xml` is written out (or everything is accepted).
 */
export function matchesType(pattern: string, type: string): boolean {
  if (pattern === '*/*') return true
  if (!TYPE.test(type)) return false
  if (pattern === type) return true
  return pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1)) && !isActiveType(type)
}

/**
 * The type as it is served: text is UTF-8 (it is checked when it is stored), and says so. Browsers take text
 * without a charset for windows-1252 (WHATWG Encoding, section 4.2).
 */
export function withCharset(type: string): string {
  return type.startsWith('text/') && !type.includes(';') ? `${type}; charset=utf-8` : type
}
