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

  it('takes another endpoint', async () => {
    const endpoint = 'http://127.0.0.1:9000'
    const driver = new SpacesDriver({ bucket: 'acme', region: 'nyc3', endpoint, credentials })
    await driver.ready()
    expect(driver.signUrl('k', { method: 'GET', expiresIn: 60, at: 0 })).toMatch(
      /^http:\/\/127\.0\.0\.1:9000\/acme\/k\?/,
    )
  })
})
