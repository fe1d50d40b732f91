// XML 1.0, section 2.8: what may stand before the root element. An unfinished comment counts up to the end.
const PROLOG = /^(?:\s+|<!--[\s\S]*?(?:-->|$)|<\?[\s\S]*?(?:\?>|$)|<!doctype(?![^>]*\bhtml\b)[^>]*(?:>|$))/i
const MARKUP = /^<[a-z!?/]/i
const PEEK_BYTES = 64
const DOCTYPE_SVG = /<!doctype\s+svg\b/i
const DOCTYPE_HTML = /^<!doctype\s+html\b/i

/**
 * The type of a text that begins with markup, or undefined. Magic numbers do not know html and svg, yet they
 * are what browsers run: in doubt it is html.
 */
export function sniffMarkup(head: Buffer): string | undefined {
  if (!mayBeMarkup(head)) return undefined
  const text = decodeText(head).trimStart()
  if (!MARKUP.test(text)) return undefined
  const root = skipProlog(text)
  const name = /^<(?:[\w-]+:)?([\w-]+)/.exec(root)?.[1]?.toLowerCase()
  if (name === 'svg' || DOCTYPE_SVG.test(text.slice(0, text.length - root.length))) return 'image/svg+xml'
  const isXml = /^<\?xml\b/i.test(text)
  if (name === 'html' || DOCTYPE_HTML.test(root)) return isXml ? 'application/xhtml+xml' : 'text/html'
  return isXml ? 'application/xml' : 'text/html'
}

/** Decoding 64 KiB that are no text takes longer than all the rest, so most files are told apart by their first bytes. */
function mayBeMarkup(head: Buffer): boolean {
  const start = decodeText(head.subarray(0, PEEK_BYTES)).trimStart()
  return start === '' || start.length === 1 || MARKUP.test(start)
}

function skipProlog(text: string): string {
  let rest = text
  for (let match = PROLOG.exec(rest); match !== null && match[0] !== ''; match = PROLOG.exec(rest)) {
    rest = rest.slice(match[0].length)
  }
  return rest
}

/** Whether a byte order mark says so. */
export function isUtf16(head: Buffer): boolean {
  return encodingOf(head) !== 'utf-8'
}

function decodeText(head: Buffer): string {
  return new TextDecoder(encodingOf(head)).decode(head)
}

/** By the byte order mark, as browsers do (WHATWG Encoding, section 6: BOM sniff). */
function encodingOf([first, second]: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}
