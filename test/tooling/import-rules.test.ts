import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesBelow, rooms, root, runTool, tempFolder } from './tools.js'

const DRIVERS = ['local', 'memory', 's3', 'spaces', 'azure', 'gcs', 'cloudfront'].map(
  name => `drivers/${name}`,
)
const BELOW_LEAVES = ['core', 'upload', ...DRIVERS, 'express', 'multer', 'typeorm', 'migrate', 'env']

/** Who may reach for what; each pair of a room and a target that is not named here is forbidden. */
const ALLOWED: Record<string, string[]> = {
  core: [],
  upload: ['core', 'file-type', 'ipaddr.js', 'mime-types'],
  // A driver's HTTP client reads its answers from the IncomingMessage of node:http.
  'drivers/local': ['core', 'mime-types', 'a request'],
  'drivers/memory': ['core', 'a request'],
  'drivers/s3': ['core', '@aws-sdk/client-s3', '@aws-sdk/s3-request-presigner', 'a request'],
  'drivers/spaces': ['core', 'drivers/s3', 'a request'],
  'drivers/azure': ['core', '@azure/storage-blob', 'a request'],
  'drivers/gcs': ['core', '@google-cloud/storage', 'a request'],
  'drivers/cloudfront': ['core', '@aws-sdk/cloudfront-signer', 'a request'],
  express: ['core', 'upload', 'npm express', 'a request', 'a response'],
  multer: ['core', 'upload', 'npm express', 'npm multer', 'a request', 'a response'],
  typeorm: ['core', 'npm typeorm'],
  migrate: ['core', 'upload', 'typeorm', 'npm typeorm'],
  env: ['core', ...DRIVERS, 'zod', 'the process'],
  testing: [...BELOW_LEAVES, 'a request', 'a response'],
  cli: [
    ...BELOW_LEAVES,
    'npm typeorm',
    'commander',
    'cli-progress',
    'the process',
    'a request',
    'a response',
  ],
  'a-new-room': ['core'],
}

/** The beginning of what Biome says in a room, where that is not `<room>/ may import`. */
const SAYS: Record<string, string> = {
  'drivers/memory': 'A driver may import',
  'a-new-room': 'This room has no import rule',
}

const PACKAGES = [
  ...[
    '@aws-sdk/client-s3',
    '@aws-sdk/s3-request-presigner',
    '@aws-sdk/cloudfront-signer',
    '@azure/storage-blob',
    '@google-cloud/storage',
  ],
  ...[
    'zod',
    'file-type',
    'ipaddr.js',
    'mime-types',
    'commander',
    'cli-progress',
    'pg',
    'tenant-files',
    'left-pad',
  ],
]

const TARGETS: Record<string, (from: string) => string> = {
  ...Object.fromEntries(Object.keys(ALLOWED).map(to => [to, from => `import '${pathTo(from, to)}'`])),
  ...Object.fromEntries(PACKAGES.map(name => [name, () => `import '${name}'`])),
  ...Object.fromEntries(
    ['express', 'multer', 'typeorm'].map(name => [`npm ${name}`, () => `import '${name}'`]),
  ),
  'the process': () => `import { argv } from 'node:process'`,
  'a request': () => `import type { IncomingMessage } from 'node:http'`,
  'a response': () => `import type { ServerResponse } from 'node:http'`,
}

const EDGES = Object.entries(ALLOWED).flatMap(([from, may]) =>
  Object.entries(TARGETS)
    .filter(([to]) => to !== from)
    .map(([to, code], index) => {
      return { from, to, allowed: may.includes(to), file: `src/${from}/edge-${index}.ts`, code: code(from) }
    }),
)

const IMPORTS = 'lint/style/noRestrictedImports'
const GLOBALS = 'lint/style/noRestrictedGlobals'
const CONSOLE = 'lint/suspicious/noConsole'

/** One rule each: code that Biome must refuse in a folder, and the twin that it must accept there or elsewhere. */
interface Row {
  name: string
  rule: string
  bad: [folder: string, code: string]
  good: [folder: string, code: string]
}

const ROWS: Row[] = [
  elsewhere(
    'process is not reached through globalThis',
    GLOBALS,
    'export const a = globalThis.process',
    'src/cli',
  ),
  elsewhere('exports have names', 'lint/style/noDefaultExport', 'export default 1', 'config'),
  elsewhere(
    'src has no !',
    'lint/style/noNonNullAssertion',
    'export const a = (b?: string) => b!.length',
    'test',
  ),
  twin('any is refused', 'lint/suspicious/noExplicitAny', 'export let a: any', 'export let a: unknown'),
  twin(
    'a room re-exports by name',
    'lint/performance/noReExportAll',
    `export * from './b.js'`,
    `export { b } from './b.js'`,
  ),
  twin(
    'an unused import',
    'lint/correctness/noUnusedImports',
    `import { a } from './a.js'`,
    `import './a.js'`,
  ),
  twin('node: is written out', 'lint/style/useNodejsImportProtocol', `import 'fs'`, `import 'node:fs'`),
  twin('an unused variable', 'lint/correctness/noUnusedVariables', 'const a = 1', 'export const a = 1'),
  twin(
    'an unused parameter',
    'lint/correctness/noUnusedFunctionParameters',
    'export const a = (b: 1) => 1',
    'export const a = (_b: 1) => 1',
  ),
  twin(
    'a type is imported as a type',
    'lint/style/useImportType',
    `import { A } from './a.js'\nexport const a = (b: A) => b`,
    `import type { A } from './a.js'\nexport const a = (b: A) => b`,
  ),
  ...[
    ['a type import', `import type { Request } from 'express'`],
    ['a re-export', `export { Router } from 'express'`],
    ['a dynamic import', `export const a = await import('express')`],
  ].map(([form, code]) => twin(`${form} is an import`, IMPORTS, code!, `import './key.js'`)),
  ...[
    "'../options.js'",
    "'../../spaces/index.js'",
    "'@aws-sdk/client-s3'",
    "'../../../express/index.js'",
  ].map(
    (target): Row => ({
      name: `drivers/s3/http/ reaches for core/, and not for ${target}`,
      rule: IMPORTS,
      bad: ['src/drivers/s3/http', `import ${target}`],
      good: ['src/drivers/s3/http', `import '../../../core/attempt.js'\nimport 'node:net'\nimport './a.js'`],
    }),
  ),
]

/** The lines of core/warn.ts, the one file with a rule of its own, and whether they are allowed. */
const WARN: [code: string, allowed: boolean][] = [
  [`import { emitWarning } from 'node:process'`, true],
  [`import { argv } from 'node:process'`, false],
  [`import type { ServerResponse } from 'node:http'`, false],
  [`import 'zod'`, false],
  [`import './../upload/index.js'`, false],
  [`import './key.js'`, true],
  [`import '../key.js'`, true],
  [`import 'node:fs/promises'`, true],
]

type Finding = { rule: string; message: string; line: number }
let temp: ReturnType<typeof tempFolder>
let found: Map<string, Finding[]>

beforeAll(async () => {
  temp = tempFolder('biome')
  for (const name of ['biome.json', '.gitignore']) cpSync(path.join(root, name), path.join(temp.folder, name))
  for (const { file, code } of EDGES) write(file, code)
  for (const room of Object.keys(ALLOWED)) {
    write(`src/${room}/global.ts`, 'console.log(process.argv)')
    const up = room.includes('/') ? '../..' : '..'
    write(`src/${room}/here.ts`, `import './a.js'\nimport 'node:fs'\nimport 'node:fs/promises'`)
    // A folder inside of a room; the drivers have none, because there `..` is the folder of all drivers.
    const others = ALLOWED[room]
      ?.filter(other => other in ALLOWED)
      .map(other => `\nimport '../../${other}/a.js'`)
    write(`src/${room}/inside/up.ts`, `import '../a.js'${others?.join('')}`)
    write(`src/${room}/from-here.ts`, `import './${up}/unknown/index.js'`)
    write(`src/${room}/from-there.ts`, `import '${up}/core/../unknown/index.js'`)
  }
  for (const [index, { bad, good }] of ROWS.entries()) {
    write(`${bad[0]}/bad-${index}.ts`, bad[1])
    write(`${good[0]}/good-${index}.config.ts`, good[1])
  }
  write('src/core/warn.ts', WARN.map(([code]) => code).join('\n'))
  write('src/core/other.ts', `import { emitWarning } from 'node:process'`)
  write('src/core/cycle-a.ts', `import { b } from './cycle-b.js'\nexport const a = () => b`)
  write('src/core/cycle-b.ts', `import { a } from './cycle-a.js'\nexport const b = () => a`)
  write(
    'test/entity.ts',
    `@E() export class A {\n  @C() b!: string\n  constructor(@P() readonly c: string) {}\n}`,
  )
  found = await lint(temp.folder)
})
afterAll(() => temp?.remove())

describe('who may import whom', () => {
  for (const from of Object.keys(ALLOWED)) {
    test(`${from}/ reaches for ${ALLOWED[from]?.join(', ') || 'itself'} and nothing else`, () => {
      const edges = EDGES.filter(edge => edge.from === from)
      const refused = edges.filter(edge => findings(edge.file, IMPORTS).length > 0).map(edge => edge.to)
      expect(refused).toEqual(edges.filter(edge => !edge.allowed).map(edge => edge.to))
      for (const { file, to } of edges) {
        for (const { message } of findings(file, IMPORTS)) expect(message).toContain(saysOf(from, to))
      }
    })
  }

  test.each(Object.keys(ALLOWED))('%s/ reaches for its own files and for node:', room => {
    expect(findings(`src/${room}/here.ts`, IMPORTS)).toEqual([])
    if (!room.includes('/')) expect(findings(`src/${room}/inside/up.ts`, IMPORTS)).toEqual([])
  })

  test.each(Object.keys(ALLOWED))('no detour leads out of %s/', room => {
    expect(findings(`src/${room}/from-here.ts`, IMPORTS)).toHaveLength(1)
    expect(findings(`src/${room}/from-there.ts`, IMPORTS)).toHaveLength(1)
  })

  test('the process belongs to env/ and cli/', () => {
    const refused = Object.keys(ALLOWED).filter(room => findings(`src/${room}/global.ts`, GLOBALS).length > 0)
    expect(refused).toEqual(Object.keys(ALLOWED).filter(room => !['env', 'cli'].includes(room)))
  })

  test('the console belongs to cli/', () => {
    const refused = Object.keys(ALLOWED).filter(room => findings(`src/${room}/global.ts`, CONSOLE).length > 0)
    expect(refused).toEqual(Object.keys(ALLOWED).filter(room => room !== 'cli'))
  })

  test('core/warn.ts alone takes emitWarning from the process, and nothing else', () => {
    const refused = new Set(findings('src/core/warn.ts', IMPORTS).map(finding => finding.line))
    expect(WARN.map((_, index) => refused.has(index + 1))).toEqual(WARN.map(([, allowed]) => !allowed))
    expect(findings('src/core/other.ts', IMPORTS)).toHaveLength(1)
  })

  test('no room in src is missing in this table', () => {
    expect(Object.keys(ALLOWED)).toEqual(expect.arrayContaining(rooms()))
  })

  // Biome does not see `import('x').Y` where a type stands; TypeScript's own parser does.
  test('no type in src names its module in place', () => {
    const inPlace = filesBelow('src').filter(file => file.endsWith('.ts') && hasImportType(file))
    expect(inPlace).toEqual([])
  })
})

describe('the other rules', () => {
  for (const [index, { name, rule, bad, good }] of ROWS.entries()) {
    test(name, () => {
      expect(findings(`${bad[0]}/bad-${index}.ts`, rule)).toHaveLength(1)
      expect(findings(`${good[0]}/good-${index}.config.ts`, rule)).toEqual([])
    })
  }

  test('modules do not import each other in a circle', () => {
    expect(findings('src/core/cycle-a.ts', 'lint/suspicious/noImportCycles')).toHaveLength(1)
    expect(findings('src/core/cycle-b.ts', 'lint/suspicious/noImportCycles')).toHaveLength(1)
  })

  test('decorators of properties and parameters are understood', () => {
    expect(findings('test/entity.ts', 'parse')).toEqual([])
  })
})

function pathTo(from: string, to: string) {
  if (DRIVERS.includes(from) && DRIVERS.includes(to)) return `../${path.basename(to)}/index.js`
  return `${from.includes('/') ? '../../' : '../'}${to}/index.js`
}

function saysOf(from: string, to: string) {
  if (['a request', 'a response'].includes(to)) return 'Requests and responses belong to'
  return SAYS[from] ?? `${from}/ may import`
}

function twin(name: string, rule: string, bad: string, good: string): Row {
  return { name, rule, bad: ['src/core', bad], good: ['src/core', good] }
}

function elsewhere(name: string, rule: string, code: string, folder: string): Row {
  return { name, rule, bad: ['src/core', code], good: [folder, code] }
}

function write(file: string, code: string) {
  const full = path.join(temp.folder, file)
  mkdirSync(path.dirname(full), { recursive: true })
  writeFileSync(full, `${code}\n`)
}

/** One run of Biome over the whole copy; findings by file. */
async function lint(folder: string) {
  const args = ['lint', '--max-diagnostics=none', '--reporter=json', '.']
  const { stdout, stderr } = await runTool('@biomejs/biome', 'biome', args, folder)
  if (!stdout.startsWith('{')) throw new Error(`Biome did not run: ${stdout}${stderr}`)
  const byFile = new Map<string, Finding[]>()
  for (const { category, message, location } of JSON.parse(stdout).diagnostics) {
    const file = String(location?.path).replaceAll('\\', '/')
    const finding = { rule: category, message, line: location?.start?.line }
    byFile.set(file, [...(byFile.get(file) ?? []), finding])
  }
  return byFile
}

function findings(file: string, rule: string) {
  return (found.get(file) ?? []).filter(finding => finding.rule === rule)
}

function hasImportType(file: string) {
  const text = readFileSync(path.join(root, file), 'utf8')
  const visit = (node: ts.Node): boolean => ts.isImportTypeNode(node) || ts.forEachChild(node, visit) === true
  return visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest))
}
