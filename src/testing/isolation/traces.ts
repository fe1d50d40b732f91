import type { Uploaded } from './inspection.js'
import type { Answer } from './site.js'

/** What of a file an answer shows, in words. */
export function tracesOf<Row>(file: Uploaded<Row>, answer: Answer): string[] {
  const { bytes } = file
  const holdsBytes = answer.body.includes(bytes) || answer.body.includes(bytes.toString('base64'))
  return [...(holdsBytes && bytes.length > 0 ? ['its bytes'] : []), ...marksOf(file, answer)]
}

/**
 * The same without the bytes, which another tenant's sample has as well. An address holds the key.
 */
export function marksOf<Row>({ name, addresses }: Uploaded<Row>, { headers, body }: Answer): string[] {
  const words = `${JSON.stringify(headers)}\n${body}`
  const hasKey = addresses.some(({ key }) => words.includes(lastSegment(key)))
  return [...(words.includes(name) ? ['its name'] : []), ...(hasKey ? ['its key or address'] : [])]
}

/** The uuid and extension: they need no encoding, so they look the same in every address. */
export function lastSegment(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}
