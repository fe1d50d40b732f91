/** Whether a connection is to be kept for the next request. */
export type Persistence = 'keep-alive' | 'close'

/** A request with all of its headers, Content-Length included. */
export interface HttpRequest {
  readonly method: string
  /** Path and query, encoded. */
  readonly path: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly chunks: readonly Uint8Array[]
  /** Milliseconds without any progress on the connection; undefined where something else ends the request. */
  readonly idleTimeout: number | undefined
}

/** A character for each byte, and none that would end the line (RFC 9110, section 5.5). */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const TARGET = /^[\x21-\x7e]+$/

/**
 * What precedes the body, a character for each byte (RFC 9112, sections 2 and 3).
 *
 * @throws for a value that would begin another header, or another request
 */
export function headOf({ method, path, headers }: HttpRequest, persistence: Persistence): string {
  if (!TARGET.test(path)) throw unsendable('path')
  let head = `${method} ${path} HTTP/1.1\r\n`
  for (let i = 0; i < headers.length; i += 2) {
    const [name = '', value = ''] = [headers[i], headers[i + 1]]
    if (!VALUE.test(value)) throw unsendable(name)
    head += `${name}: ${value}\r\n`
  }
  return `${head}connection: ${persistence}\r\n\r\n`
}

function unsendable(what: string): Error {
  return Object.assign(new TypeError(`The ${what} of a request holds a character that none may have.`), {
    code: 'ERR_INVALID_CHAR',
  })
}
