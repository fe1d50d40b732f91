import { isUtf8 as isWholeUtf8 } from 'node:buffer'
import { fileTypeFromBuffer } from 'file-type'
import mimeTypes from 'mime-types'
import type { Content } from './content.js'
import { isUtf16, sniffMarkup } from './markup.js'
import { plainMagic } from './plain-magic.js'

/** How many bytes at the start of a file decide on its type. */
export const SNIFF_BYTES = 64 * 1024

const UNKNOWN_TYPE = 'application/octet-stream'

// One magic number for all of old Office: only the extension tells them apart.
const COMPOUND_TYPES: ReadonlyMap<string, string> = new Map([
  ['doc', 'application/msword'],
  ['xls', 'application/vnd.ms-excel'],
  ['ppt', 'application/vnd.ms-powerpoint'],
  ['msg', 'application/vnd.ms-outlook'],
])

// Office Open XML is a zip whose parts lie in a folder of that name (ECMA-376, part 2).
const OPEN_XML_FOLDERS: ReadonlyMap<string, string> = new Map([
  ['docx', 'word/'],
  ['xlsx', 'xl/'],
  ['pptx', 'ppt/'],
])

// Known by two or three letters that a text may begin with as well, such as a list of cars ("BMW") or of companies ("MZ").
const WORDLIKE_MAGIC: ReadonlySet<string> = new Set([
  'image/bmp',
  'application/x-msdownload',
  'application/x-shockwave-flash',
  'application/x-bzip2',
  'audio/mpeg',
  'audio/x-musepack',
])

const TEXT_TYPES: ReadonlySet<string> = new Set([
  'application/json',
  'application/ld+json',
  'application/x-ndjson',
  'application/javascript',
  'application/sql',
  'application/toml',
  'application/yaml',
  'application/x-sh',
  'application/graphql',
])

/** How many of them decide where its magic number leaves no doubt. */
export const PLAIN_BYTES = 4096

/** The type of what arrives, as {@link sniffType} gives it; of most pictures and of PDF as soon as they begin. */
export async function sniffContent(content: Content, name: string): Promise<string> {
  if (!content.has(PLAIN_BYTES)) await content.until(PLAIN_BYTES)
  const plain = sniffPlain(content)
  if (plain !== undefined) return plain
  if (!content.has(SNIFF_BYTES)) await content.until(SNIFF_BYTES)
  // Never more than that, however large the pieces are: the type must not depend on how a body arrives.
  return sniffType(content.head(SNIFF_BYTES), name)
}

/** The same, from the first {@link PLAIN_BYTES} alone; undefined where they leave a doubt. */
export function sniffPlain(content: Content): string | undefined {
  return plainMagic(content.head(PLAIN_BYTES))
}

/**
 * The type of a file, from its bytes: what the client claims does not count. The extension decides only among
 * types that the bytes allow.
 *
 * @param head the file's first {@link SNIFF_BYTES}, or all of it
 * @param name as the client called the file
 */
export async function sniffType(head: Buffer, name: string): Promise<string> {
  const extension = extensionOf(name)
  const magic = plainMagic(head.subarray(0, PLAIN_BYTES)) ?? (await sniffMagic(head))
  if (magic !== undefined) return resolveContainer(magic, head, extension)
  return sniffMarkup(head) ?? sniffText(head, extension) ?? UNKNOWN_TYPE
}

async function sniffMagic(head: Buffer): Promise<string | undefined> {
  // A broken file that its parser stumbles over is one of unknown type.
  const found = await fileTypeFromBuffer(head).catch(() => undefined)
  // For XML the magic number stops at the prolog; what matters is the root element.
  if (found === undefined || found.mime === 'application/xml') return undefined
  if (WORDLIKE_MAGIC.has(found.mime) && isText(head)) return undefined
  // The first bytes of an MPEG frame may be the byte order mark of UTF-16 as well. In doubt a browser sees text.
  return found.mime === 'audio/mpeg' && isUtf16(head) ? undefined : found.mime
}

/** The extension for a key, without a dot: the name's own where it fits the type. */
export function extensionFor(type: string, name: string): string {
  const own = extensionOf(name)
  const fits = own !== '' && mimeTypes.lookup(own) === type
  return fits ? own : mimeTypes.extension(type) || 'bin'
}

/** Of a file's name, in small letters and without its dot; empty where there is none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1).toLowerCase()
}

function resolveContainer(type: string, head: Buffer, extension: string): string {
  if (type === 'application/x-cfb') return COMPOUND_TYPES.get(extension) ?? type
  if (type !== 'application/zip') return type
  const folder = OPEN_XML_FOLDERS.get(extension)
  const isOpenXml = folder !== undefined && head.includes('[Content_Types].xml') && head.includes(folder)
  return (isOpenXml && mimeTypes.lookup(extension)) || type
}

function sniffText(head: Buffer, extension: string): string | undefined {
  const type = mimeTypes.lookup(extension)
  return type && isTextType(type) && isUtf8(head) ? type : undefined
}

function isTextType(type: string): boolean {
  return type.startsWith('text/') || TEXT_TYPES.has(type) || type.endsWith('+xml') || type.endsWith('+json')
}

/** UTF-8 that also begins without the control characters which none of those formats does without. */
function isText(head: Buffer): boolean {
  return isUtf8(head) && !head.subarray(0, 512).some(byte => byte < 9 || (byte > 13 && byte < 27))
}

function isUtf8(head: Buffer): boolean {
  return !head.includes(0) && isWholeUtf8(head.length >= SNIFF_BYTES ? withoutCutCharacter(head) : head)
}

/** A character that is cut at the end of the head is no fault of the file (RFC 3629, section 3). */
function withoutCutCharacter(head: Buffer): Buffer {
  const last = head.findLastIndex(byte => (byte & 0xc0) !== 0x80)
  const lead = head[last] ?? 0
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
  return last + length > head.length ? head.subarray(0, last) : head
}
