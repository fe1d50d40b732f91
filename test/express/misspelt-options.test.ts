import { describe, expect, it } from 'vitest'
import { createStorage } from '../../src/core/storage.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { fromSubdomain, serveFiles, type TenantOptions, tenant } from '../../src/express/index.js'
import { thrownCode } from '../core/errors-of.js'

const storage = createStorage({ secret: 'a secret of some length', backends: { memory: new MemoryDriver() } })

describe('what would silently do nothing is refused', () => {
  it('a misspelt option of serveFiles', () => {
    const serve = () => serveFiles(storage, { accelredirect: '/internal/' } as object)
    expect(serve).toThrow('There is no option "accelredirect" of serveFiles(). Options: accelRedirect.')
    expect(thrownCode(serve)).toBe('ERR_CONFIG')
  })

  it('a misspelt option of fromSubdomain', () => {
    const resolver = () => fromSubdomain({ domian: 'example.com' } as object)
    expect(resolver).toThrow('There is no option "domian" of fromSubdomain(). Options: domain.')
  })

  it.each(['https://example.com', 'example.com/', 'example.com:3000', '.example.com', ''])(
    'a domain that no host ends with: %j',
    domain => {
      expect(() => fromSubdomain({ domain })).toThrow(
        'domain is a host name alone, for example "example.com"',
      )
      expect(thrownCode(() => fromSubdomain({ domain }))).toBe('ERR_CONFIG')
    },
  )

  it.each(['example.com', 'Example.COM', 'localhost', 'my_host.example.com', 'bücher.example'])(
    'but not the domain %s',
    domain => {
      expect(thrownCode(() => fromSubdomain({ domain }))).toBe('none')
    },
  )

  it('a resolver whose parentheses were forgotten', () => {
    const resolve = fromSubdomain as unknown as TenantOptions['resolve']
    expect(() => tenant({ resolve })).toThrow('tenant() needs resolve, for example fromSubdomain().')
  })

  it('no options at all', () => {
    expect(() => tenant(undefined as unknown as TenantOptions)).toThrow(
      'Give the options of tenant() as an object.',
    )
  })
})
