// The signature, and the header that must come first: a chunk of 13 bytes called IHDR (PNG, third edition, section 5).
const PNG = Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')
const FIRST_CHUNK = 8

/**
 * The types that most uploads have, by bytes that leave no doubt. Said by file-type as well, which asks two hundred
 * questions first and needs the head in one piece; undefined for everything that takes a second look.
 */
export function plainMagic(start: Buffer): string | undefined {
  const [first, second, third, fourth = 0] = start
  // A JPEG's fourth byte begins its next marker; f7 is JPEG-LS (ISO 14495-1).
  if (first === 0xff && second === 0xd8 && third === 0xff) return fourth === 0xf7 ? undefined : 'image/jpeg'
  // Left to file-type, up to 16 MiB would be unpacked to look for a tar archive (RFC 1952, section 2.3.1).
  if (first === 0x1f && second === 0x8b) return 'application/gzip'
  const word = start.toString('latin1', 0, 12)
  if (word.startsWith('GIF8')) return 'image/gif'
  if (word.startsWith('%PDF-')) return 'application/pdf'
  if (word.startsWith('RIFF') && word.endsWith('WEBP')) return 'image/webp'
  return start.subarray(0, PNG.length).equals(PNG) ? plainPng(start) : undefined
}

/** A PNG is an animated one where acTL comes before the first IDAT (PNG, third edition, section 11.3.4.1). */
function plainPng(start: Buffer): string | undefined {
  for (let at = FIRST_CHUNK; at + 8 <= start.length; at += start.readUInt32BE(at) + 12) {
    const chunk = start.toString('latin1', at + 4, at + 8)
    if (chunk === 'IDAT') return 'image/png'
    if (chunk === 'acTL') return 'image/apng'
  }
  return undefined
}
