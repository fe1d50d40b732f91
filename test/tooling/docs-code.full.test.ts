import { beforeAll, describe, expect, test } from 'vitest'
import { createConsumer } from './consumer.js'
import { filesShown } from './readme-blocks.js'
import { documented, filesBelow, read } from './tools.js'

const pages = filesBelow('docs').filter(file => file.endsWith('.md'))

/** Modules that reach every room. */
const everyRoom = new Map([
  ['imported.ts', reaching((name, specifier) => `import * as ${name} from '${specifier}'`)],
  ['required.cts', reaching((name, specifier) => `import ${name} = require('${specifier}')`)],
])

describe('the code on the pages', () => {
  const shown = new Map(pages.map(page => [page, filesShown(read(page))]))
  const withCode = pages.filter(page => shown.get(page)?.size)
  let complaints: string[]

  // One run of the compiler for all, since it spends its time on the types of the SDKs; each page has a folder.
  beforeAll(async () => {
    const consumer = await createConsumer()
    const readme = filesShown(read('README.md'))
    // what a page imports without showing it
    const common = new Map(readme).set(
      'postgres-driver.ts',
      read('examples/custom-driver/postgres-driver.ts'),
    )
    const below = (folder: string, files: Iterable<[string, string]>) =>
      [...files].map(([name, code]): [string, string] => [`${folder}/${name}`, code])
    const pagesOfCode = withCode.flatMap(page => below(page, shown.get(page) ?? []))
    try {
      const said = await consumer.typeCheck(
        new Map([...below('rooms', everyRoom), ...below('README.md', readme), ...pagesOfCode]),
        new Map(withCode.flatMap(page => below(page, common))),
      )
      complaints = said.split('\n').filter(line => line.trim())
    } finally {
      consumer.remove()
    }
  }, 240_000)

  test('of every room compiles under nodenext, imported and required', () => {
    expect(complaints.filter(line => line.startsWith('rooms/'))).toEqual([])
  })

  test.each(['README.md', ...withCode])('of %s compiles for a consumer', page => {
    expect(complaints.filter(line => line.startsWith(`${page}/`))).toEqual([])
  })

  test('compiles as a whole', () => {
    expect(withCode.length).toBeGreaterThan(5)
    expect(complaints).toEqual([])
  })
})

function reaching(line: (name: string, specifier: string) => string): string {
  const names = documented.map((_, index) => `room${index}`)
  const lines = documented.map(({ specifier }, index) => line(`room${index}`, specifier))
  return `${lines.join('\n')}\nexport const rooms = [${names.join(', ')}]\n`
}
