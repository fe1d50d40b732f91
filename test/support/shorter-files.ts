import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * The test files of which the quick suite does less than all: those that ask suites.ts, by themselves or through a
 * helper. As patterns for vitest, from the root of the repository.
 */
export function shorterFiles(root: string): string[] {
  const files = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => path.join(root, 'test', name))
  const imports = new Map(files.map(file => [file, importsOf(file)]))
  const asking = new Set([path.join(root, 'test', 'support', 'suites.ts')])
  for (let before = 0; before < asking.size; ) {
    before = asking.size
    for (const [file, imported] of imports) if (imported.some(other => asking.has(other))) asking.add(file)
  }
  return [...asking]
    .filter(file => file.endsWith('.test.ts'))
    .map(file => path.relative(root, file).replaceAll(path.sep, '/'))
}

/** The files below the same root that a file imports. */
function importsOf(file: string): string[] {
  const imports = readFileSync(file, 'utf8').matchAll(/\bfrom '(\.{1,2}\/[^']+)\.js'/g)
  return [...imports].map(([, name = '']) => path.join(path.dirname(file), `${name}.ts`))
}
