import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { StorageError } from '../../../src/core/errors.js'
import { S3Driver } from '../../../src/drivers/s3/index.js'

const ACCESS_KEY = 'AKIAEXAMPLEEXAMPLE'
const TOKEN = 'session-token-session-token'

/**
 * What Amazon S3 answers to a wrong signature and to an old token: it quotes the request, and so the session token
 * ("Error responses", Amazon S3 API Reference). Ceph does not, so the answers are said by hand.
 */
const ANSWERS = {
  SignatureDoesNotMatch: `<AWSAccessKeyId>${ACCESS_KEY}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256 x</StringToSign>
<SignatureProvided>0123456789abcdef</SignatureProvided><StringToSignBytes>41 57</StringToSignBytes>
<CanonicalRequest>GET /a.txt x-amz-security-token:${TOKEN}</CanonicalRequest><CanonicalRequestBytes>47</CanonicalRequestBytes>`,
  ExpiredToken: `<Token-0>${TOKEN}</Token-0>`,
  InvalidAccessKeyId: `<AWSAccessKeyId>${ACCESS_KEY}</AWSAccessKeyId>`,
  InternalError: `<Whatever>${TOKEN}</Whatever>`,
}

let server: Server
let driver: Driver
let answer: keyof typeof ANSWERS

beforeAll(async () => {
  server = createServer((req, res) => {
    req.resume()
    res.writeHead(answer === 'InternalError' ? 500 : 403, { 'content-type': 'application/xml' })
    res.end(
      `<Error><Code>${answer}</Code><Message>No.</Message>${ANSWERS[answer]}<RequestId>ID1</RequestId></Error>`,
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  driver = new S3Driver({
    bucket: 'bucket',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: 'secret', sessionToken: TOKEN },
    maxAttempts: 1,
  })
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

describe('an answer of S3 that quotes the request', () => {
  it.each(Object.keys(ANSWERS) as (keyof typeof ANSWERS)[])(
    '%s gives nothing away, and keeps what support asks for',
    async code => {
      answer = code
      const error = await driver.get('a.txt').catch((thrown: unknown) => thrown)
      expect(StorageError.is(error)).toBe(true)
      const everything = inspect(error, { depth: 20, showHidden: true })
      for (const secret of [ACCESS_KEY, TOKEN, '0123456789abcdef', 'AWS4-HMAC'])
        expect(everything).not.toContain(secret)
      expect(everything).toContain(code)
      expect(everything).toContain('ID1')
    },
  )
})
