import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { StorageError, type StorageErrorCode } from '../../src/core/errors.js'
import { documented, filesBelow, read, root, run } from './tools.js'

const pages = filesBelow('docs').filter(file => file.endsWith('.md'))

describe('the reference', () => {
  const index = read('docs/reference/README.md')

  test.each(documented)('has an entry for $specifier in its index', ({ specifier, page }) => {
    const [line = ''] = index.split('\n').filter(each => each.includes(`| \`${specifier}\` |`))
    expect(line).toContain(`](${page}`)
  })

  test.each(documented)('names everything that $specifier exports', ({ room, page }) => {
    const text = read(`docs/reference/${page}`)
    const names = exportedBy(read(`src/${room}/index.ts`))
    expect(names.length).toBeGreaterThan(0)
    expect(names.filter(name => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([])
  })

  test('shows what the drivers can do as the drivers themselves say it', async () => {
    const { code, stderr } = await run(process.execPath, ['scripts/docs-capabilities.mjs', '--check'])
    expect(code, stderr).toBe(0)
  })

  test('has every error code with its status, and no other', () => {
    const source = matches(read('src/core/errors.ts'), /^ {2}(ERR_\w+): (\d+),$/gm)
    const table = matches(read('docs/reference/errors.md'), /^\| `(ERR_\w+)` \| (\d+) \|/gm)
    expect(source.length).toBeGreaterThan(30)
    expect([...table].sort()).toEqual([...source].sort())
    for (const [code, status] of table)
      expect(new StorageError(code as StorageErrorCode, '').status).toBe(Number(status))
  })

  test('quotes the right status wherever a page names a code with one', () => {
    for (const page of pages) {
      const quoted = matches(read(page), /`(ERR_\w+)`(?: \(|, | \| )(\d{3})\b/g)
      for (const [code, status] of quoted)
        expect([page, code, new StorageError(code as StorageErrorCode, '').status]).toEqual([
          page,
          code,
          Number(status),
        ])
    }
  })

  test('names no error code that does not exist', () => {
    const known = new Set(matches(read('src/core/errors.ts'), /^ {2}(ERR_\w+): /gm).flat())
    for (const page of pages) {
      const named = matches(read(page), /\b(ERR_[A-Z_]+)\b/g).flat()
      expect({ page, unknown: named.filter(code => !known.has(code)) }).toEqual({ page, unknown: [] })
    }
  })

  test('has every environment variable, and no other', () => {
    const [, schema = ''] = read('src/env/variables.ts').split('const schema = z.object({')
    const source = matches(schema.split('\n})')[0] ?? '', /^ {2}([A-Z][A-Z0-9_]*): /gm).flat()
    const table = matches(read('docs/reference/env.md'), /^\| `([A-Z0-9_]+)` \| .* \| .* \| /gm).flat()
    expect(source.length).toBeGreaterThan(10)
    expect([...table].sort()).toEqual([...source].sort())
  })

  test('has every event with its fields, and no other', () => {
    const [, body = ''] = read('src/core/events.ts').split('export interface StorageEvents {')
    const source = matches(body.split('\n}')[0] ?? '', /^ {2}(\w+): \{([^}]*)\}/gm).map(
      ([event, fields = '']) => [event, matches(fields, /(\w+\??): /g).flat()],
    )
    const table = matches(read('docs/reference/events.md'), /^\| `([a-z]+)` \| (`.*?`) \| /gm)
    expect(source.length).toBeGreaterThan(0)
    expect(table.map(([event, fields = '']) => [event, matches(fields, /`([\w?]+)`/g).flat()])).toEqual(
      source,
    )
  })
})

describe('links', () => {
  const written = [
    'README.md',
    ...pages,
    ...filesBelow('examples').filter(file => file.endsWith('README.md')),
  ]

  test.each(written)('of %s lead to files and headings that exist', file => {
    const links = matches(withoutCode(read(file)), /\]\(([^)\s]+)\)/g).flat()
    const broken = links.filter(link => !/^https?:/.test(link) && !resolves(file, link))
    expect(broken).toEqual([])
  })

  test('reach every page from the README', () => {
    const reached = new Set(['README.md'])
    for (const file of reached) {
      const links = matches(withoutCode(read(file)), /\]\(([^)\s#]+)/g).flat()
      for (const link of links) {
        const target = path.posix.join(path.posix.dirname(file), link)
        if (target.endsWith('.md') && existsSync(path.join(root, target))) reached.add(target)
      }
    }
    expect(pages.filter(page => !reached.has(page))).toEqual([])
  })
})

/** All groups of all matches. */
function matches(text: string, pattern: RegExp): string[][] {
  return [...text.matchAll(pattern)].map(match => match.slice(1).map(group => group ?? ''))
}

/** The names that an index.ts re-exports, types included. */
function exportedBy(source: string): string[] {
  return matches(source, /export (?:type )?\{([^}]*)\}/g)
    .flatMap(([list = '']) => list.split(','))
    .map(name => name.trim().replace(/^type /, ''))
    .filter(Boolean)
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '')
}

function resolves(from: string, link: string): boolean {
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? from : path.posix.join(path.posix.dirname(from), file)
  if (!existsSync(path.join(root, target))) return false
  return anchor === undefined || headingsOf(read(target)).includes(anchor)
}

/** The anchors that GitHub gives to the headings of a page. */
function headingsOf(markdown: string): string[] {
  return matches(markdown.replace(/^```[\s\S]*?^```/gm, ''), /^#+ (.+)$/gm)
    .flat()
    .map(heading =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    )
}
