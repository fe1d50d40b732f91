/** An answer, read to its end. */
export interface HttpAnswer {
  readonly status: number
  /** By name in lower case. */
  readonly headers: HttpHeaders
  readonly body: string
}

export type HttpHeaders = Readonly<Record<string, string | undefined>>

/** An answer to a PUT is empty, or an error of some hundred bytes. */
const MAX_BODY = 64 * 1024
/** As much as node reads. */
const MAX_HEAD = 16 * 1024

const LINE_END = '\r\n'
const HEAD_END = '\r\n\r\n'
/** RFC 9112, section 4. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
/** RFC 9112, section 5: a token, no space before the colon, and nothing that some take for the end of a line. */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):([\t\x20-\x7e\x80-\xff]*)$/
/** RFC 9112, section 7.1; extensions mean nothing to us. */
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/

type Framing =
  | { readonly by: 'length'; readonly length: number }
  | { readonly by: 'chunks' }
  | { readonly by: 'end of the connection' }

interface Head {
  readonly status: number
  readonly headers: HttpHeaders
  readonly framing: Framing
}

/**
 * Reads one answer of HTTP/1.1 (RFC 9112) from bytes that come in pieces of any size. It is strict: whatever is not an
 * answer as the standard has it is an error. Answers to what we ask are short, so that their text is kept as a whole.
 */
export class AnswerReader {
  readonly #method: string
  /** What has come and was not understood yet, a character for each byte. */
  #text = ''
  #head: Head | undefined
  /** Of a body in chunks: what is known of it. */
  #body = ''
  #isAlive = true

  constructor(method: string) {
    this.#method = method
  }

  /** Whether the connection is at the beginning of the next answer when this one has been read. */
  get isReusable(): boolean {
    return this.#isAlive && this.#text === '' && this.#head?.framing.by !== 'end of the connection'
  }

  /** @returns the answer, with its last bytes @throws for what is no answer, or too long for one of S3 */
  read(bytes: Buffer): HttpAnswer | undefined {
    this.#text += bytes.toString('latin1')
    for (;;) {
      this.#head ??= this.#readHead()
      if (this.#head === undefined) return undefined
      if (this.#head.status >= 200) return this.#readBody(this.#head)
      // Says that another one follows (RFC 9110, section 15.2).
      if (this.#head.status === 101) throw notHttp('The server wants to speak another protocol.')
      this.#head = undefined
    }
  }

  /** The connection has ended. @returns the answer that ends so @throws where it is not whole */
  end(): HttpAnswer {
    if (this.#head?.framing.by !== 'end of the connection') throw hangUp()
    return this.#answer(this.#head, this.#text)
  }

  #readHead(): Head | undefined {
    const end = this.#text.indexOf(HEAD_END)
    if (end > MAX_HEAD || (end < 0 && this.#text.length > MAX_HEAD))
      throw notHttp('The headers of the answer are too long.')
    if (end < 0) {
      // What does not begin like an answer need not be waited for.
      if (!'HTTP/1.'.startsWith(this.#text.slice(0, 7))) throw notHttp()
      return undefined
    }
    const [first = '', ...lines] = this.#text.slice(0, end).split(LINE_END)
    const [, minor, status] = STATUS_LINE.exec(first) ?? []
    if (status === undefined) throw notHttp()
    this.#text = this.#text.slice(end + HEAD_END.length)
    const headers = headersOf(lines)
    const { connection = '' } = headers
    this.#isAlive = minor === '1' && !/(^|,)[ \t]*close[ \t]*(,|$)/i.test(connection)
    return { status: Number(status), headers, framing: this.#framingOf(Number(status), headers) }
  }

  /** RFC 9112, section 6.3. */
  #framingOf(status: number, headers: HttpHeaders): Framing {
    const { 'content-length': length, 'transfer-encoding': encoding } = headers
    if (this.#method === 'HEAD' || status < 200 || status === 204 || status === 304)
      return { by: 'length', length: 0 }
    if (encoding !== undefined) {
      if (encoding.toLowerCase() !== 'chunked' || length !== undefined)
        throw notHttp('The answer has no length that could be told.')
      return { by: 'chunks' }
    }
    if (length === undefined) return { by: 'end of the connection' }
    if (!/^\d{1,15}$/.test(length)) throw notHttp('The answer has no length that could be told.')
    return { by: 'length', length: Number(length) }
  }

  #readBody(head: Head): HttpAnswer | undefined {
    const { framing } = head
    if (framing.by === 'chunks') return this.#readChunks() ? this.#answer(head, this.#body) : undefined
    const length = framing.by === 'length' ? framing.length : this.#text.length
    if (length > MAX_BODY) throw tooLong()
    if (framing.by !== 'length' || this.#text.length < length) return undefined
    const body = this.#text.slice(0, length)
    this.#text = this.#text.slice(length)
    return this.#answer(head, body)
  }

  /** @returns whether the last chunk was read */
  #readChunks(): boolean {
    for (;;) {
      const lineEnd = this.#text.indexOf(LINE_END)
      if (lineEnd < 0 || lineEnd > MAX_HEAD) return this.#waitForChunk()
      const [, hex] = CHUNK_SIZE.exec(this.#text.slice(0, lineEnd)) ?? []
      if (hex === undefined) throw notHttp()
      const size = Number.parseInt(hex, 16)
      if (size === 0) return this.#readTrailers(lineEnd)
      if (this.#body.length + size > MAX_BODY) throw tooLong()
      const start = lineEnd + LINE_END.length
      const end = start + size
      if (this.#text.length < end + LINE_END.length) return false
      if (!this.#text.startsWith(LINE_END, end)) throw notHttp()
      this.#body += this.#text.slice(start, end)
      this.#text = this.#text.slice(end + LINE_END.length)
    }
  }

  #waitForChunk(): false {
    if (this.#text.length > MAX_HEAD) throw notHttp()
    return false
  }

  /** They are of no use to us. @param lineEnd of the last chunk, which is empty */
  #readTrailers(lineEnd: number): boolean {
    // Without trailers, the line of the last chunk and the empty one behind it are the end.
    const end = this.#text.indexOf(HEAD_END, lineEnd)
    if (end < 0) return this.#waitForChunk()
    headersOf(this.#text.slice(lineEnd, end).split(LINE_END).slice(1))
    this.#text = this.#text.slice(end + HEAD_END.length)
    return true
  }

  #answer({ status, headers }: Head, body: string): HttpAnswer {
    return { status, headers, body: body === '' ? '' : Buffer.from(body, 'latin1').toString() }
  }
}

function headersOf(lines: readonly string[]): HttpHeaders {
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const [, written = '', spaced = ''] = HEADER.exec(line) ?? []
    if (written === '') throw notHttp()
    const [name, value] = [written.toLowerCase(), spaced.trim()]
    const before = headers[name]
    // Several are one list (RFC 9110, section 5.3), but two lengths would be two ends (RFC 9112, section 6.3).
    if (before === undefined) headers[name] = value
    else if (name !== 'content-length') headers[name] = `${before}, ${value}`
    else if (before !== value) throw notHttp('The answer has no length that could be told.')
  }
  return headers
}

/** Has no code of a broken connection: whoever is no HTTP server will not be one at the next try. */
function notHttp(message = 'The server does not answer in HTTP/1.1.'): Error {
  return Object.assign(new Error(message), { code: 'EPROTO' })
}

function tooLong(): Error {
  return notHttp('The answer is too long for S3.')
}

/** The connection ended before the answer did. */
export function hangUp(): Error {
  return Object.assign(new Error('the connection ended before the answer'), { code: 'ECONNRESET' })
}
