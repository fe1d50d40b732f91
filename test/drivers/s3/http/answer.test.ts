import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerReader, type HttpAnswer } from '../../../../src/drivers/s3/http/answer.js'
import { afterThisTest } from '../../../support/ends.js'

const END = 'the end'

/** Reads what comes in these pieces; {@link END} is the end of the connection. */
function read(pieces: readonly (string | Buffer)[], method = 'PUT') {
  const reader = new AnswerReader(method)
  let answer: HttpAnswer | undefined
  for (const piece of pieces) {
    if (answer !== undefined) throw new Error('The answer was there before its last piece.')
    answer = piece === END ? reader.end() : reader.read(Buffer.from(piece))
  }
  return { answer, isReusable: reader.isReusable }
}

const ANSWERS = {
  'with a length': 'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 5\r\n\r\nhello',
  'without a body': 'HTTP/1.1 200 OK\r\netag:"a"\r\ncontent-length:0\r\n\r\n',
  'without a reason': 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n',
  'with a body in UTF-8': 'HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n\u00fcber \u20ac',
  'in chunks':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a="b"\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\n',
  'in chunks, with trailers':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nExpires: never\r\nX: y\r\n\r\n',
  'after one that says to go on':
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 503 Slow Down\r\nContent-Length: 2\r\n\r\nno',
  'that can have no body': 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n',
  'with a header twice': 'HTTP/1.1 200 OK\r\nVary: a\r\nVary: b\r\nContent-Length: 0\r\n\r\n',
}

describe('an answer', () => {
  it.each(Object.entries(ANSWERS))('%s is the same in whatever pieces it comes', (_, text) => {
    const bytes = Buffer.from(text)
    const whole = read([bytes])
    expect(whole.answer?.status).toBeGreaterThanOrEqual(200)
    expect(whole.isReusable).toBe(true)
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 })), cuts => {
        const ends = [...cuts.sort((a, b) => a - b), bytes.length]
        const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
        expect(read(pieces)).toEqual(whole)
      }),
    )
  })

  it.each(Object.entries(ANSWERS))('%s is read as node reads it', async (_, text) => {
    const server = createServer(socket => {
      socket.once('data', () => socket.end(text))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    afterThisTest(() => server.close())
    const { port } = server.address() as AddressInfo
    const byNode = await new Promise((resolve, reject) => {
      request({ port, host: '127.0.0.1', method: 'PUT' }, async response => {
        const body = Buffer.concat(await response.toArray()).toString()
        resolve({ status: response.statusCode, headers: { ...response.headers }, body })
      })
        .on('error', reject)
        .end()
    })
    const { answer } = read([text])
    expect({ ...answer, headers: { ...answer?.headers } }).toEqual(byNode)
  })

  it('to HEAD has no body, whatever length it tells', () => {
    const { answer, isReusable } = read(['HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'], 'HEAD')
    expect([answer?.body, isReusable]).toEqual(['', true])
  })

  it('without a length ends with its connection', () => {
    const { answer, isReusable } = read(['HTTP/1.1 500 Oh\r\n\r\n<Err', 'or>', END])
    expect([answer?.status, answer?.body, isReusable]).toEqual([500, '<Error>', false])
  })

  it.each([
    ['with its last byte missing', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell'],
    ['in chunks without the last', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['with half of its headers', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['that only says to go on', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('%s is none', (_, text) => {
    expect(() => read([text, END])).toThrow(expect.objectContaining({ code: 'ECONNRESET' }))
  })

  it.each([
    ['after "Connection: close"', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['after a list with "close"', 'HTTP/1.1 200 OK\r\nConnection: a, Close\r\nContent-Length: 0\r\n\r\n'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['when more came than was asked for', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n'],
  ])('leaves no connection to use again %s', (_, text) => {
    expect(read([text])).toMatchObject({ answer: { status: 200 }, isReusable: false })
  })

  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  it.each([
    ['of another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['of which the first byte is wrong', 'h'],
    ['of HTTP/2', 'HTTP/2 200\r\n\r\n'],
    ['without a status', 'HTTP/1.1 OK\r\n\r\n'],
    ['that changes the protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['with a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    [
      'with a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['in an encoding that nobody asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['with a space before a colon', 'HTTP/1.1 200 OK\r\nETag : x\r\n\r\n'],
    ['with a line that ends otherwise', 'HTTP/1.1 200 OK\nContent-Length: 5\r\nETag: x\r\n\r\n'],
    ['with a header that ends otherwise', 'HTTP/1.1 200 OK\r\nETag: x\nContent-Length: 5\r\n\r\n'],
    ['with a control character', 'HTTP/1.1 200 OK\r\nETag: x\0\r\nContent-Length: 0\r\n\r\n'],
    ['with many spaces that lead nowhere', `HTTP/1.1 200 OK\r\nETag: ${' '.repeat(16_000)}\n\r\n\r\n`],
    ['with a folded header', 'HTTP/1.1 200 OK\r\nETag: x\r\n y\r\n\r\n'],
    ['with a chunk of no size', `${CHUNKED}x\r\n`],
    ['with a chunk of a size that is signed', `${CHUNKED}-1\r\n`],
    ['with a trailer that is none', `${CHUNKED}0\r\ntrailer\r\n\r\n`],
    ['with a control character behind the size of a chunk', `${CHUNKED}1;\0\r\n`],
    ['with a chunk that is longer than it says', `${CHUNKED}1\r\nab\r\n`],
    ['with a head that does not end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`],
    ['with a line of a chunk that does not end', `${CHUNKED}1;${'x'.repeat(20_000)}`],
    ['with trailers that do not end', `${CHUNKED}0\r\nX: ${'x'.repeat(20_000)}`],
    ['that is long', 'HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n'],
    ['that is long, in chunks', `${CHUNKED}FFFF\r\n${'x'.repeat(65535)}\r\n2\r\n`],
    ['that does not end', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(65537)}`],
  ])('%s is refused', (_, text) => {
    expect(() => read([text])).toThrow(/HTTP|length|protocol|too long/)
  })
})
