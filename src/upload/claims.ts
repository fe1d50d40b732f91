import mimeTypes from 'mime-types'
import { extensionOf } from './sniff.js'

/** Says nothing of the contents: what clients send when they do not know. */
const NO_CLAIM: ReadonlySet<string> = new Set([
  'application/octet-stream',
  'binary/octet-stream',
  'application/binary',
  'application/unknown',
  'application/x-unknown',
  'application/download',
  'application/x-download',
  'application/force-download',
  'application/save',
  'multipart/form-data',
])

// Zip archives, old Office files and RTF: each is seen with the extension of the others, and bytes tell only the container.
const PACKAGES =
  /^application\/(zip|x-zip|x-zip-compressed|x-cfb|msword|rtf|java-archive|x-java-archive|epub\+zip|.+\+zip|vnd\.(openxmlformats-|oasis\.|ms-(?!fontobject|opentype|cab|asf)|visio|android\.package|apple\.(keynote|pages|numbers)|sketch|google-earth\.kmz).*|x-(iwork|mobipocket|xpinstall|ms-installer|msi).*)$|^(text\/rtf|model\/3mf)$/
const MEDIA =
  /^(audio|video)\/|^application\/(ogg|mp4|mxf|vnd\.ms-asf|x-matroska|vnd\.rn-realmedia.*|smil.*)$/
const PAGES = /^application\/(pdf|x-pdf|postscript|eps|x-eps|illustrator|vnd\.adobe\.illustrator)$/
const FONTS = /^font\/|^application\/(font-.+|x-font-.+|vnd\.ms-fontobject)$/
const TEXT =
  /^text\/(?!rtf$)|^application\/(json|.+\+json|xml|.+\+xml|x-ndjson|javascript|x-javascript|ecmascript|sql|toml|yaml|x-yaml|x-sh|graphql|x-httpd-php|xhtml\+xml|csv)$|^image\/svg\+xml$|^message\/rfc822$/
const ARCHIVES =
  /^application\/(gzip|x-gzip|x-tar|x-bzip2?|x-xz|zstd|x-7z-compressed|x-rar-compressed|vnd\.rar|x-compress.*|x-gtar|x-lzip|x-lz4|x-cpio)$/
const PROGRAMS =
  /^application\/(x-msdownload|x-msdos-program|x-dosexec|vnd\.microsoft\.portable-executable|x-elf|x-executable|x-mach-binary|x-sharedlib|wasm|x-shockwave-flash)$/

/** Kinds of content that people and programs call by each other's names without meaning any harm. */
const KINDS: readonly (readonly [string, RegExp])[] = [
  ['text', TEXT],
  ['image', /^image\//],
  ['package', PACKAGES],
  ['media', MEDIA],
  ['page', PAGES],
  ['font', FONTS],
  ['archive', ARCHIVES],
  ['program', PROGRAMS],
]

/**
 * Whether a name's extension or a claimed type says something that the bytes belie. Only a claim of another kind does:
 * clients take their types from the extension and the system's registry, so `.jpg` for a png, `image/jpg`, and
 * `application/vnd.ms-excel` for a csv mean no harm. What nobody can know of the bytes contradicts nothing.
 *
 * @param type found in the bytes
 */
export function contradicts(
  type: string,
  claims: { readonly name: string; readonly type?: string },
): boolean {
  const byName = typeOfName(claims.name)
  if (byName !== undefined && differs(type, byName)) return true
  const claimed = claimedEssence(claims.type)
  if (claimed === undefined) return false
  // Where Excel is installed, Windows sends csv as application/vnd.ms-excel.
  const isSheetOfText = byName !== undefined && kindOf(byName) === 'text' && kindOf(claimed) === 'package'
  return !isSheetOfText && differs(type, claimed)
}

/** The type that a name's extension stands for; undefined where it stands for none. */
export function typeOfName(name: string): string | undefined {
  return mimeTypes.lookup(extensionOf(name)) || undefined
}

/** A claimed type without its parameters, in small letters; undefined where it claims nothing. */
export function claimedEssence(type: string | undefined): string | undefined {
  const essence = type?.split(';', 1)[0]?.trim().toLowerCase()
  return essence === undefined || essence === '' || NO_CLAIM.has(essence) ? undefined : essence
}

function differs(found: string, claimed: string): boolean {
  if (found === claimed || NO_CLAIM.has(found) || NO_CLAIM.has(claimed)) return false
  const [one, other] = [kindOf(found), kindOf(claimed)]
  // A claim of a format that we do not know may well be true: formats are built upon each other.
  return other !== undefined && one !== other
}

function kindOf(type: string): string | undefined {
  return KINDS.find(([, pattern]) => pattern.test(type))?.[0]
}
