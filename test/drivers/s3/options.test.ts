import { describe, expect, it } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { SpacesDriver } from '../../../src/drivers/spaces/index.js'
import { thrownCode } from '../../core/errors-of.js'

const keys = { accessKeyId: 'an id', secretAccessKey: 'a key' }

describe('the S3 driver refuses at once', () => {
  it.each([
    ['no key', {}],
    ['half of a key', { accessKeyId: 'an id' }],
    ['an empty key', { accessKeyId: '', secretAccessKey: '' }],
    ['an empty secret', { accessKeyId: 'an id', secretAccessKey: '' }],
  ])('%s, as of variables that are not set', (_name, credentials) => {
    const driver = () => new S3Driver({ bucket: 'acme-files', credentials: credentials as typeof keys })
    expect(driver).toThrow('The credentials need accessKeyId and secretAccessKey')
    expect(thrownCode(driver)).toBe('ERR_CONFIG')
  })

  it.each([
    'https://s3.example.com/acme-files',
    'https://s3.example.com/acme-files/',
    'https://acme-files.nyc3.digitaloceanspaces.com',
    'https://acme-files.s3.eu-central-1.amazonaws.com',
  ])('an endpoint that names the bucket: %s', endpoint => {
    const driver = () => new S3Driver({ bucket: 'acme-files', endpoint, credentials: keys })
    expect(driver).toThrow('The endpoint names the bucket as well.')
    expect(thrownCode(driver)).toBe('ERR_CONFIG')
    expect(
      thrownCode(
        () => new SpacesDriver({ bucket: 'acme-files', region: 'nyc3', endpoint, credentials: keys }),
      ),
    ).toBe('ERR_CONFIG')
  })
})

describe('the S3 driver takes', () => {
  it.each([
    ['https://s3.example.com', 'acme-files'],
    ['https://minio.example.com', 'minio'], // a server that is called like the bucket
    ['https://x.example.co/storage/v1/s3', 's3'], // and one below a path
    ['https://nyc3.digitaloceanspaces.com', 'acme-files'],
  ])('the endpoint %s with the bucket %s', (endpoint, bucket) => {
    expect(thrownCode(() => new S3Driver({ bucket, endpoint, credentials: keys }))).toBe('none')
  })

  it('credentials that a function gives, and none', () => {
    expect(thrownCode(() => new S3Driver({ bucket: 'acme-files', credentials: async () => keys }))).toBe(
      'none',
    )
    expect(thrownCode(() => new S3Driver({ bucket: 'acme-files', region: 'eu-central-1' }))).toBe('none')
  })
})

describe('the options of an S3 driver take', () => {
  it.each([
    ['nyc3', 'https://nyc3.digitaloceanspaces.com'],
    ['s3', 'https://s3.eu-central-1.amazonaws.com'],
    ['files', 'https://files.example.com'],
  ])('a bucket %s at %s, which is the name of the server', (bucket, endpoint) => {
    expect(() => new S3Driver({ bucket, region: 'eu-central-1', endpoint, credentials: keys })).not.toThrow()
  })
})
