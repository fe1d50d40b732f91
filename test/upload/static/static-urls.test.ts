import { describe, expect, it, test } from 'vitest'
import { StorageError } from '../../../src/core/index.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import { type BuildManifest, staticUrls } from '../../../src/upload/index.js'
import { storageOver } from '../support.js'

const storage = storageOver(new MemoryDriver())

const codeOf = (fn: () => unknown): string => {
  try {
    return String(fn())
  } catch (error) {
    return StorageError.is(error) ? error.code : String(error)
  }
}

describe('staticUrls', () => {
  it('gives the permanent address of a static file, whoever asks', () => {
    expect(staticUrls(storage)('css/app.css')).toBe('/files/memory/static/css/app.css')
  })

  it('puts the prefix of the push in front', () => {
    expect(staticUrls(storage, { prefix: 'shop/' })('app.css')).toBe('/files/memory/static/shop/app.css')
  })

  it('refuses names that are no keys', () => {
    expect(codeOf(() => staticUrls(storage)('../app.css'))).toBe('ERR_KEY_INVALID')
    expect(codeOf(() => staticUrls(storage)('/app.css'))).toBe('ERR_KEY_INVALID')
    expect(codeOf(() => staticUrls(storage, { prefix: 'shop' }))).toBe('ERR_KEY_INVALID')
  })

  it('refuses disks of tenants', () => {
    expect(codeOf(() => staticUrls(storage, { disk: 'public-media' }))).toBe('ERR_CONFIG')
  })

  it('waits for no driver: before ready() it says so', () => {
    const asset = staticUrls(storageOver(async () => new MemoryDriver()))
    expect(codeOf(() => asset('app.css'))).toBe('ERR_NOT_READY')
  })
})

describe('staticUrls with a manifest', () => {
  const vite: BuildManifest = {
    'src/main.ts': { file: 'assets/main-BRBmoGS9.js', css: ['assets/main-5UjPuW-k.css'] },
    'src/logo.svg': { file: 'assets/logo-ChJ_j-JN.svg' },
  }

  test.each([
    ['an entry', 'src/main.ts', 'assets/main-BRBmoGS9.js'],
    ['an asset', 'src/logo.svg', 'assets/logo-ChJ_j-JN.svg'],
    ['an output, such as the styles of an entry', 'assets/main-5UjPuW-k.css', 'assets/main-5UjPuW-k.css'],
  ])('of Vite knows %s', (_what, name, file) => {
    expect(staticUrls(storage, { manifest: vite })(name)).toBe(`/files/memory/static/${file}`)
  })

  it('of webpack knows the names it maps', () => {
    const asset = staticUrls(storage, { manifest: { 'main.js': 'main.3f2a9c1b.js' } })
    expect(asset('main.js')).toBe('/files/memory/static/main.3f2a9c1b.js')
  })

  test.each(['app.css', 'constructor', '__proto__'])('says which name it does not have: %s', name => {
    const asset = staticUrls(storage, { manifest: vite })
    expect(() => asset(name)).toThrow(`The build manifest has no "${name}".`)
    expect(codeOf(() => asset(name))).toBe('ERR_CONFIG')
  })

  test.each([
    ['/static/main.js'],
    ['https://cdn.example.com/main.js'],
    [''],
    [7 as unknown as string],
    [{} as { file: string }],
  ])('that holds %j is refused at start-up', file => {
    expect(codeOf(() => staticUrls(storage, { manifest: { 'main.js': file } }))).toBe('ERR_CONFIG')
  })
})
