import { expect, it, test } from 'vitest'
import { hashedKeys } from '../../../src/upload/static/hashed-names.js'

const isHashed = (key: string) => hashedKeys([key]).has(key)

test.each([
  ['Vite', 'assets/app-BxY3k9aQ.js'],
  ['Vite, with a source map', 'assets/app-BxY3k9aQ.js.map'],
  ['esbuild', 'chunk-QW5TLTOZ.js'],
  ['webpack', 'app.3f2a9c1b.css'],
  ['webpack, a chunk', 'static/js/main.abcdef12.chunk.js'],
  ['webpack, with licenses', 'main.3f2a9c1b.js.LICENSE.txt'],
  ['webpack, 20 digits', 'main.3f2a9c1b4d5e6f7a8b9c.js'],
  ['webpack, an asset module', 'images/3f2a9c1b4d5e6f7a8b9c.png'],
  ['Next', '_next/static/chunks/main-3f2a9c1b4d5e6f7a.js'],
  ['Propshaft', 'application-6d58c9e6.css'],
  ['Sprockets', `application-${'0a1b2c3d'.repeat(8)}.css`],
  ['Django', 'css/base.5c3d2b1a9f0e.css'],
])('knows the digest in a name of %s', (_tool, key) => {
  expect(isHashed(key)).toBe(true)
})

test.each([
  'jquery-3.7.1.min.js',
  'report-20261125.css',
  'report.20261125.css',
  'report.20261125a.css',
  'app.css',
  'app-settings.js',
  'icon-ArrowTop.svg',
  'doc-Chapter1.html',
  'grid-2Columns.css',
  'Inter-SemiBold.woff2',
  'deadbeef.js',
  'app-deadbeef.js',
  'bootstrap-icons.woff2',
  'core-js@3.bundle.min.js',
  '3f2a9c1b.js',
  'app-BxY3k9aQ',
  'assets-BxY3k9aQ/app.js',
  'phone-555010203040.svg',
])('takes nothing in %s for a digest', key => {
  expect(isHashed(key)).toBe(false)
})

it('knows digests that look like words by the company they keep', () => {
  const bundle = ['assets/shared-ChJ_j-JN.css', 'assets/foo-BRBmoGSx.js', 'assets/baz-B2H3sXNv.js.map']
  expect([...hashedKeys(bundle)]).toEqual(bundle)
})

it('lets no digest vouch for the names in another folder, or beside a plain name', () => {
  const hashed = 'assets/baz-B2H3sXNv.js'
  const word = 'assets/Inter-SemiBold.woff2'
  expect([...hashedKeys([hashed, 'fonts/Inter-SemiBold.woff2'])]).toEqual([hashed])
  expect([...hashedKeys([hashed, word, 'assets/logo.svg'])]).toEqual([hashed])
})
