import type { StoredPart } from './sender.js'

/** The body of a request that ends a multipart upload ("CompleteMultipartUpload", Amazon S3 API Reference). */
export function completionOf(parts: readonly StoredPart[]): string {
  const listed = parts.map(
    ({ PartNumber, ETag = '', ChecksumCRC32 }) =>
      `<Part><PartNumber>${PartNumber}</PartNumber><ETag>${escapeText(ETag)}</ETag>${
        ChecksumCRC32 === undefined ? '' : `<ChecksumCRC32>${ChecksumCRC32}</ChecksumCRC32>`
      }</Part>`,
  )
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${listed.join('')}</CompleteMultipartUpload>`
}

/** The text of the first element of that name. */
export function elementOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return text === undefined ? undefined : decodeText(text)
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#34': '"' }

export function decodeText(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|#34);/g, (_all, name: string) => ENTITIES[name] ?? '')
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
