import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConsumer } from './consumer.js'
import { filesShown } from './readme-blocks.js'
import { rooms, root } from './tools.js'

interface Manifest {
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
  exports: Record<string, string | { types: string; default: string }>
}

const manifest: Manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const subpaths = Object.keys(manifest.exports).filter(subpath => subpath !== './package.json')
const specifiers = subpaths.map(subpath => subpath.replace('.', 'tenant-files'))

describe('the exports map', () => {
  test('has one subpath for each room in src but cli', () => {
    const expected = rooms().filter(room => room !== 'cli')
    expect([...subpaths].sort()).toEqual(expected.map(room => (room === 'core' ? '.' : `./${room}`)).sort())
  })

  test.each(subpaths)('%s leads to the built index of its room', subpath => {
    const room = subpath === '.' ? 'core' : subpath.slice(2)
    const expected = { types: `./dist/${room}/index.d.ts`, default: `./dist/${room}/index.js` }
    expect(manifest.exports[subpath]).toEqual(expected)
    for (const file of Object.values(expected)) {
      expect(existsSync(path.join(root, file)), `${file}: run npm run build first`).toBe(true)
    }
  })
})

describe('a consumer of the packed library', () => {
  let consumer: Awaited<ReturnType<typeof createConsumer>>
  beforeAll(async () => {
    consumer = await createConsumer()
  })
  afterAll(() => consumer?.remove())

  test('gets the built code, its sources and the licence, and nothing else', () => {
    const others = consumer.files.filter(file => !/^(dist|src)\//.test(file))
    expect(others).toEqual(expect.arrayContaining(['LICENSE', 'package.json']))
    expect(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']).toEqual(expect.arrayContaining(others))
    expect(consumer.files.filter(file => /\.test\.|tsbuildinfo/.test(file))).toEqual([])
  })

  test('gets the same instances from require and import', async () => {
    const result = await consumer.runModule(`
      import { createRequire } from 'node:module'
      const require = createRequire(import.meta.url)
      const first = require('tenant-files')
      const different = []
      for (const specifier of ${JSON.stringify(specifiers)}) {
        const [imported, required] = [await import(specifier), require(specifier)]
        const names = Object.keys(imported)
        if (names.length === 0) different.push(specifier + ' is empty')
        for (const name of names) if (imported[name] !== required[name]) different.push(specifier + ' ' + name)
      }
      if (first.createStorage !== (await import('tenant-files')).createStorage) different.push('require first')
      console.log(JSON.stringify(different))
    `)
    expect(result).toEqual([])
  })
})

describe('a consumer without any peer', () => {
  const peers = Object.keys(manifest.peerDependencies)
  let consumer: Awaited<ReturnType<typeof createConsumer>>
  const NEEDED = [
    ['typeorm', 'typeorm'],
    ['drivers/s3', '@aws-sdk/client-s3'],
    ['drivers/spaces', '@aws-sdk/client-s3'],
    ['drivers/azure', '@azure/storage-blob'],
    ['drivers/gcs', '@google-cloud/storage'],
  ] as const

  const CONFIGURED: [backend: string, peer: string, variables: Record<string, string>][] = [
    ['s3', '@aws-sdk/client-s3', { AWS_STORAGE_BUCKET_NAME: 'files' }],
    [
      'do_spaces',
      '@aws-sdk/client-s3',
      { AWS_STORAGE_BUCKET_NAME: 'files', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    ],
    [
      'azure',
      '@azure/storage-blob',
      { AZURE_CONTAINER: 'files', AZURE_ACCOUNT_NAME: 'acme', AZURE_ACCOUNT_KEY: 'a' },
    ],
    ['gcs', '@google-cloud/storage', { GS_BUCKET_NAME: 'files' }],
  ]

  /** What each import and each ready() says, by its name. All of them in one process: to start it takes longest. */
  let said: { imports: Record<string, string>; backends: Record<string, { code: string; message: string }> }
  beforeAll(async () => {
    consumer = await createConsumer({ without: peers.map(peer => peer.split('/')[0] ?? peer) })
    const environments = CONFIGURED.map(([backend, , variables]) => [
      backend,
      { STORAGE_BACKEND: backend, STORAGE_URL_SECRET: 'a secret of some length', ...variables },
    ])
    said = (await consumer.runModule(`
      const [imports, backends] = [{}, {}]
      for (const room of ${JSON.stringify(NEEDED.map(([room]) => room))}) {
        imports[room] = await import('tenant-files/' + room).then(() => 'nothing', error => error.message)
      }
      const { storageFromEnv } = await import('tenant-files/env')
      for (const [backend, env] of ${JSON.stringify(environments)}) {
        const { code, message } = await storageFromEnv({}, env).ready().catch(error => error)
        backends[backend] = { code, message }
      }
      console.log(JSON.stringify({ imports, backends }))
    `)) as typeof said
  })
  afterAll(() => consumer?.remove())

  test('is told by npm that each of them is optional', () => {
    expect(peers.filter(peer => !manifest.peerDependenciesMeta[peer]?.optional)).toEqual([])
  })

  test('can load every room that needs none', async () => {
    const free = ['', '/env', '/upload', '/drivers/local', '/drivers/memory'].map(
      room => `tenant-files${room}`,
    )
    const loads = free.map(specifier => `await import('${specifier}')`).join('\n')
    expect(await consumer.runModule(`${loads}\nconsole.log('true')`)).toBe(true)
  })

  test.each(NEEDED)('reads the name of the package when it imports tenant-files/%s', (room, peer) => {
    // Node's own words: an import that is not there cannot be caught without awaiting at the top level.
    expect(said.imports[room]).toContain(`Cannot find package '${peer}'`)
  })

  test.each(CONFIGURED)('is told by ready() what to install for %s', (backend, peer) => {
    expect(said.backends[backend]?.code).toBe('ERR_PEER_MISSING')
    expect(said.backends[backend]?.message).toContain(`npm install ${peer}`)
  })
})

test('a block of code is cut into the files that it names', () => {
  const block = (code: string) => `text\n\`\`\`ts\n${code}\n\`\`\`\n`
  const markdown =
    block('// storage.ts\nconst a = 1\n// a remark\nconst b = 2\n\n// app.ts: the mount\nconst c = 3') +
    block('const left = "out"')
  expect([...filesShown(markdown)]).toEqual([
    ['storage.ts', '// storage.ts\nconst a = 1\n// a remark\nconst b = 2\n\n'],
    ['app.ts', '// app.ts: the mount\nconst c = 3\n'],
  ])
  expect(() => filesShown(block('// a.ts\n1') + block('// a.ts\n2'))).toThrow('two pieces of code')
})
