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
const readme = path.join(root, 'README.md')

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

  test.each(specifiers)('gets the same instance of %s from require and import', async specifier => {
    const result = await consumer.runModule(`
      import { createRequire } from 'node:module'
      import * as imported from '${specifier}'
      const required = createRequire(import.meta.url)('${specifier}')
      const different = Object.keys(imported).filter(name => imported[name] !== required[name])
      console.log(JSON.stringify({ different, missing: Object.keys(required).length === 0 }))
    `)
    expect(result).toEqual({ different: [], missing: false })
  })

  test('gets the same instance when require comes first', async () => {
    const result = await consumer.runModule(`
      import { createRequire } from 'node:module'
      const required = createRequire(import.meta.url)('tenant-files')
      const imported = await import('tenant-files')
      console.log(JSON.stringify(required.createStorage === imported.createStorage))
    `)
    expect(result).toBe(true)
  })

  test('finds types for every subpath under nodenext, in ES modules and in CommonJS', async () => {
    const names = specifiers.map((specifier, index) => ({ specifier, name: `room${index}` }))
    const used = `export const rooms = [${names.map(({ name }) => name).join(', ')}]\n`
    const esm = names.map(({ specifier, name }) => `import * as ${name} from '${specifier}'\n`)
    const cjs = names.map(({ specifier, name }) => `import ${name} = require('${specifier}')\n`)
    const sources: [string, string][] = [
      ['every-room.ts', esm.join('') + used],
      ['every-room-required.cts', cjs.join('') + used],
    ]
    expect(await consumer.typeCheck(sources)).toBe('')
  }, 60_000)

  test.runIf(existsSync(readme))(
    'can compile the code that the README shows',
    async () => {
      const files = filesShown(readFileSync(readme, 'utf8'))
      expect(files.size).toBeGreaterThan(0)
      expect(await consumer.typeCheck(files)).toBe('')
    },
    60_000,
  )
})

test('each peer is optional, and no room that is used without it loads it', async () => {
  const peers = Object.keys(manifest.peerDependencies)
  expect(peers.filter(peer => !manifest.peerDependenciesMeta[peer]?.optional)).toEqual([])

  const consumer = await createConsumer({ without: peers.map(peer => peer.split('/')[0] ?? peer) })
  try {
    const free = ['', '/env', '/upload', '/drivers/local', '/drivers/memory'].map(
      room => `tenant-files${room}`,
    )
    const loads = free.map(specifier => `await import('${specifier}')`).join('\n')
    expect(await consumer.runModule(`${loads}\nconsole.log('true')`)).toBe(true)
    await expect(consumer.runModule(`await import('tenant-files/typeorm')`)).rejects.toThrow('typeorm')
  } finally {
    consumer.remove()
  }
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
