import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, expect, it } from 'vitest'
import { fromBytes, toBytes } from '../../../src/typeorm/reconcile/byte-order.js'
import { LineSorter } from '../../../src/typeorm/reconcile/line-sorter.js'
import { bySuite } from '../../support/suites.js'

/** It keeps 32,768 lines in memory. */
const COUNT = bySuite({ quick: 34_000, full: 100_000 })

const open: LineSorter[] = []
afterEach(async () => {
  for (const sorter of open.splice(0)) await sorter.close()
})

async function sorted(lines: Iterable<string>): Promise<string[]> {
  const sorter = new LineSorter()
  open.push(sorter)
  for (const line of lines) await sorter.add(line)
  return all(sorter)
}

async function all(sorter: LineSorter): Promise<string[]> {
  const found: string[] = []
  for await (const line of sorter.sorted()) found.push(line)
  return found
}

const scattered = (count: number) =>
  Array.from({ length: count }, (_, i) => createHash('md5').update(`${i}`).digest('hex'))
const folders = () => readdirSync(tmpdir()).filter(name => name.startsWith('tenant-files-sort-'))

it('sorts a few lines, and none', async () => {
  expect(await sorted(['b', 'a', '', 'a', 'ab'])).toEqual(['', 'a', 'a', 'ab', 'b'])
  expect(await sorted([])).toEqual([])
})

it('sorts more than it keeps in memory, twice if asked, and leaves nothing behind', async () => {
  const lines = scattered(COUNT)
  const before = folders()
  // As one text: to compare lists of so many takes vitest twenty seconds.
  expect((await sorted(lines)).join('\n')).toBe(lines.toSorted().join('\n'))
  const [sorter] = open
  expect(folders().length).toBeGreaterThan(before.length)
  expect(await all(sorter as LineSorter)).toHaveLength(COUNT)
  await sorter?.close()
  expect(folders().filter(name => !before.includes(name) && existsSync(name))).toEqual([])
})

it('sorts lines that are longer than all its memory', async () => {
  const long = ['z', 'a', 'm'].map(letter => letter.repeat(4_000_000))
  const found = await sorted([...long, 'b'])
  expect(found.map(line => [line[0], line.length])).toEqual([
    ['a', 4_000_000],
    ['b', 1],
    ['m', 4_000_000],
    ['z', 4_000_000],
  ])
})

it('has the order of UTF-8, where JavaScript has another', async () => {
  const keys = ['😀', '\uffee', 'é', 'z', 'Z', '中']
  const byBytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  expect(keys.toSorted()).not.toEqual(byBytes)
  expect((await sorted(keys.map(toBytes))).map(fromBytes)).toEqual(byBytes)
})
