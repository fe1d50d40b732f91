import { describe, expect, it } from 'vitest'
import { legacyPath, legacyUrl } from '../../src/typeorm/index.js'

const file = (tenant: string | null, key: string) => ({
  ...{ tenant, key, backend: 'local' },
  name: key.split('/').at(-1) ?? '',
})

describe('legacyPath', () => {
  it.each([
    ['uploads', 'uploads/acme/2019/report 1.pdf', file('acme', '2019/report 1.pdf')],
    ['./uploads/', './uploads/acme/x.pdf', file('acme', 'x.pdf')],
    ['/srv/app/uploads', '/srv/app/uploads/acme/x.pdf', file('acme', 'x.pdf')],
    ['uploads', 'uploads\\acme\\order files\\x.pdf', file('acme', 'order files/x.pdf')],
    ['C:\\app\\uploads', 'C:\\app\\uploads\\acme\\x.pdf', file('acme', 'x.pdf')],
    ['', 'acme/order_files/Ünï.PDF', file('acme', 'order_files/Ünï.PDF')],
    [['media', ''], 'media/acme/x.pdf', file('acme', 'x.pdf')],
    ['', 'acme/50%25 off + more?.pdf', file('acme', '50%25 off + more?.pdf')],
  ])('with base %j reads %j', (base, text, expected) => {
    expect(legacyPath({ base, backend: 'local' })(text)).toEqual(expected)
  })

  it.each([
    ['uploads', 'uploads-old/acme/x.pdf'],
    ['uploads', '/uploads/acme/x.pdf'],
    ['uploads', 'uploads'],
    ['/srv/app', '/srv/other/acme/x.pdf'],
  ])('with base %j does not read %j', (base, text) => {
    expect(legacyPath({ base, backend: 'local' })(text)).toBeUndefined()
  })

  it('takes everything for the key on a disk without tenants', () => {
    expect(legacyPath({ base: 'media', backend: 'local', tenancy: 'none' })('media/a/b.pdf')).toEqual(
      file(null, 'a/b.pdf'),
    )
  })
})

describe('legacyUrl', () => {
  const base = [
    '/media',
    'https://cdn.example.com/media/',
    'https://bucket.s3.eu-central-1.amazonaws.com/media',
  ]

  it.each([
    ['/media/acme/x.pdf', file('acme', 'x.pdf')],
    ['/media/acme/My%20file%20%231%2B.pdf?v=2#page=3', file('acme', 'My file #1+.pdf')],
    ['/media/acme/100%25+1.pdf', file('acme', '100%+1.pdf')],
    ['/media/acme/%C3%9Cn%C3%AF.pdf', file('acme', 'Ünï.pdf')],
    ['https://CDN.example.com/media/acme/x.pdf?X-Amz-Signature=abc&b=/c', file('acme', 'x.pdf')],
    ['//cdn.example.com/media/acme/x.pdf', file('acme', 'x.pdf')],
    // The answer of a multipart upload: the slashes of the key are encoded too.
    [
      'https://bucket.s3.eu-central-1.amazonaws.com/media%2Facme%2Forder_files%2Fx.pdf',
      file('acme', 'order_files/x.pdf'),
    ],
    // Encoded once is decoded once.
    ['/media/acme/a%2520b.pdf', file('acme', 'a%20b.pdf')],
  ])('reads %s', (text, expected) => {
    expect(legacyUrl({ base, backend: 'local' })(text)).toEqual(expected)
  })

  it.each([
    'https://evil.example.com/media/acme/x.pdf',
    'https://cdn.example.com@evil.example.com/media/acme/x.pdf',
    'https://cdn.example.com/other/acme/x.pdf',
    'https://cdn.example.com.evil.com/media/acme/x.pdf',
    '/mediathek/acme/x.pdf',
    'media/acme/x.pdf',
    '/media/acme/100% done.pdf', // nobody encoded it, so nobody knows what is meant
  ])('does not read %s', text => {
    expect(legacyUrl({ base, backend: 'local' })(text)).toBeUndefined()
  })

  it('leaves the dots of a hostile path in the key, which is refused for them', () => {
    expect(legacyUrl({ base, backend: 'local' })('/media/acme/..%2F..%2Fetc/passwd')).toMatchObject({
      key: '../../etc/passwd',
    })
    expect(legacyUrl({ base, backend: 'local' })('/media/../acme/x.pdf')).toMatchObject({ tenant: '..' })
  })

  it('takes names as they are where nobody encoded them', () => {
    const read = legacyUrl({ base: '/media', backend: 'local', encoding: 'none' })
    expect(read('/media/acme/100% done? #1.pdf')).toEqual(file('acme', '100% done? #1.pdf'))
  })
})

it.each([
  [{ base: 1, backend: 'local' }],
  [{ base: [], backend: 'local' }],
  [{ base: '/media', backend: '' }],
  [{ base: '/media', backend: 'local', tenancy: 'shared' }],
  [{ base: '/media', backend: 'local', encoding: 'base64' }],
  [{ base: '/100%', backend: 'local' }],
  [{ base: '/media', backend: 'local', tenant: 'acme' }],
])('legacyUrl refuses %j', options => {
  expect(() => legacyUrl(options as never)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
})
