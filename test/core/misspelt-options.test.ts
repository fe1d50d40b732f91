import { describe, expect, it } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import { createStorage, type StorageOptions } from '../../src/core/storage.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { thrownCode } from './errors-of.js'

const storageOf = (options: Partial<StorageOptions>) =>
  createStorage({ secret: 'a secret of some length', backends: { memory: new MemoryDriver() }, ...options })

describe('createStorage says what is wrong, not what broke on it', () => {
  it('without options', () => {
    const create = () => createStorage(undefined as unknown as StorageOptions)
    expect(create).toThrow('Give the options of createStorage() as an object.')
    expect(thrownCode(create)).toBe('ERR_CONFIG')
  })

  it('without backends', () => {
    const create = () => storageOf({ backends: undefined as unknown as Record<string, Driver> })
    expect(create).toThrow('backends is empty: name at least one, for example local.')
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'local'],
    ['options without a driver', { root: 'var/files' }],
    ['a class', MemoryDriver],
  ])('with %s as a backend', (_name, backend) => {
    const create = () => storageOf({ backends: { local: backend as unknown as Driver } })
    expect(create).toThrow(
      'The backend "local" is no driver: give an instance, such as new LocalDriver({ … }).',
    )
    expect(thrownCode(create)).toBe('ERR_CONFIG')
  })

  it.each(['files', 'example.com/files', 'ftp://example.com'])(
    'with the baseUrl %s, whose addresses lead nowhere',
    baseUrl => {
      const create = () => storageOf({ baseUrl })
      expect(create).toThrow(
        'baseUrl is where serveFiles is mounted: a path such as "/files", or an http(s) address',
      )
      expect(thrownCode(create)).toBe('ERR_CONFIG')
    },
  )

  it.each(['/files', '/files/', '/', '', 'https://app.example.com/files', 'http://localhost:3000/files'])(
    'and takes the baseUrl %j',
    baseUrl => {
      expect(thrownCode(() => storageOf({ baseUrl }))).toBe('none')
    },
  )

  it('with a misspelt option of a CDN', () => {
    const cdn = { mode: 'public', hostname: 'cdn.example.com' } as const
    const create = () =>
      storageOf({ disks: { logos: { location: 'logos', visibility: 'public', tenancy: 'required', cdn } } })
    expect(create).toThrow(
      'There is no option "hostname" of the cdn of the disk "logos". Options: mode, host',
    )
  })
})
