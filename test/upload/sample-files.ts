import { crc32, deflateRawSync } from 'node:zlib'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
export const JPG = hex(
  'ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffd9',
)
export const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
export const PDF = Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n')

/** Version 3, sectors of 512 bytes ([MS-CFB], section 2.2): the shell that old Office files live in. */
export const COMPOUND_FILE = Buffer.concat([
  hex('d0cf11e0a1b11ae1'),
  Buffer.alloc(16),
  hex('3e000300feff09000600'),
  Buffer.alloc(1024 - 34),
])

/** A size of at least `length` that begins with `start`. */
export function padded(start: Buffer | string, length: number, fill = 'x'): Buffer {
  const head = Buffer.from(start)
  return Buffer.concat([head, Buffer.alloc(Math.max(0, length - head.length), fill)])
}

export interface ZipEntry {
  name: string
  body: string | Buffer
}

/**
 * A zip archive, made by hand (PKWARE APPNOTE, section 4.3).
 *
 * @param how `streamed`: sizes follow the data in a descriptor, as from a writer that cannot go back
 */
export function zip(entries: readonly ZipEntry[], how: 'stored' | 'streamed' = 'stored'): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, body } of entries) {
    const streamed = how === 'streamed'
    const plain = Buffer.from(body)
    const data = streamed ? deflateRawSync(plain) : plain
    const sums = Buffer.alloc(12)
    sums.writeUInt32LE(checksum(plain), 0)
    sums.writeUInt32LE(data.length, 4)
    sums.writeUInt32LE(plain.length, 8)
    const common = Buffer.alloc(10)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(streamed ? 0x08 : 0, 2)
    common.writeUInt16LE(streamed ? 8 : 0, 4)
    const lengths = Buffer.alloc(4)
    lengths.writeUInt16LE(Buffer.byteLength(name), 0)
    const file = Buffer.concat([
      hex('504b0304'),
      common,
      streamed ? Buffer.alloc(12) : sums,
      lengths,
      Buffer.from(name),
      data,
      streamed ? Buffer.concat([hex('504b0708'), sums]) : Buffer.alloc(0),
    ])
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([hex('504b0102 1400'), common, sums, lengths, place, Buffer.from(name)]))
    files.push(file)
    offset += file.length
  }
  const size = directory.reduce((sum, each) => sum + each.length, 0)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(size, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...files, ...directory, hex('504b0506'), end])
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml',
}
const MAIN_PARTS: Readonly<Record<string, string>> = {
  docx: 'word/document.xml',
  xlsx: 'xl/workbook.xml',
  pptx: 'ppt/presentation.xml',
}

/** An Office Open XML file (ECMA-376, part 2) of one main part. */
export function officeFile(
  kind: 'docx' | 'xlsx' | 'pptx',
  how: 'stored' | 'streamed' = 'stored',
  first: 'types' | 'part' = 'types',
): Buffer {
  const part = MAIN_PARTS[kind] ?? ''
  const types = {
    name: '[Content_Types].xml',
    body: `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/${part}" ContentType="${CONTENT_TYPES[kind]}"/></Types>`,
  }
  const main = { name: part, body: '<?xml version="1.0"?><root/>' }
  return zip(first === 'types' ? [types, main] : [main, types], how)
}

function checksum(bytes: Buffer): number {
  return crc32(bytes)
}
