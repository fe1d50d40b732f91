import { describe, expect, it } from 'vitest'
import { SpacesDriver } from '../../../src/drivers/spaces/index.js'

const credentials = { accessKeyId: 'DO00EXAMPLE', secretAccessKey: 'secret' }

describe('the Spaces driver', () => {
  it('addresses the bucket at its datacenter and signs for it', async () => {
    const driver = new SpacesDriver({ bucket: 'acme-files', region: 'nyc3', credentials })
    await driver.ready()
    const url = new URL(driver.signUrl('media/a.pdf', { method: 'GET', expiresIn: 60, at: 0 }))
    expect(url.origin).toBe('https://acme-files.nyc3.digitaloceanspaces.com')
    expect(url.pathname).toBe('/media/a.pdf')
    expect(url.searchParams.get('X-Amz-Credential')).toBe('DO00EXAMPLE/19700101/nyc3/s3/aws4_request')
  })

  it('is of its own kind', () => {
    expect(new SpacesDriver({ bucket: 'acme', region: 'fra1', credentials }).kind).toBe('spaces')
  })

  it.each(['', 'NYC3', 'us-east-1', 'nyc3.evil.example/', undefined])('refuses the region %j', region => {
    const options = { bucket: 'acme', region: region as string, credentials }
    expect(() => new SpacesDriver(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it.each([
    'acme-files.nyc3.cdn.digitaloceanspaces.com',
    'https://acme-files.nyc3.cdn.digitaloceanspaces.com/',
    'files.acme.example',
  ])('sends downloads to the CDN %s, signed for the bucket, and nothing else', async cdnEndpoint => {
    const options = { bucket: 'acme-files', region: 'nyc3', credentials }
    const [plain, driver] = [new SpacesDriver(options), new SpacesDriver({ ...options, cdnEndpoint })]
    await Promise.all([plain.ready(), driver.ready()])
    const host = cdnEndpoint.replace(/^https:|\//g, '')
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'] as const) {
      const request = { method, expiresIn: 60, at: 0, contentDisposition: 'attachment' }
      const [there, here] = [plain, driver].map(each => new URL(each.signUrl('media/a b.pdf', request)))
      expect(here?.host).toBe(method === 'GET' ? host : 'acme-files.nyc3.digitaloceanspaces.com')
      expect(here?.href.replace(here.host, '')).toBe(there?.href.replace(there.host, ''))
    }
  })

  it.each([
    'http://cdn.example',
    'https://cdn.example/files',
    'cdn.example?a=1',
    'https://me@cdn.example',
    '',
    'a b',
  ])('refuses the CDN endpoint %j', cdnEndpoint => {
    const options = { bucket: 'acme', region: 'nyc3', credentials, cdnEndpoint }
    expect(() => new SpacesDriver(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it.each([{ addressingStyle: 'path' as const }, { endpoint: 'http://127.0.0.1:9000' }])(
    'refuses a CDN endpoint where the bucket is not in the host: %j',
    more => {
      const options = { bucket: 'acme', region: 'nyc3', credentials, cdnEndpoint: 'cdn.example', ...more }
      expect(() => new SpacesDriver(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    },
  )

  it('takes another endpoint', async () => {
    const endpoint = 'http://127.0.0.1:9000'
    const driver = new SpacesDriver({ bucket: 'acme', region: 'nyc3', endpoint, credentials })
    await driver.ready()
    expect(driver.signUrl('k', { method: 'GET', expiresIn: 60, at: 0 })).toMatch(
      /^http:\/\/127\.0\.0\.1:9000\/acme\/k\?/,
    )
  })
})
