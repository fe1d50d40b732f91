import { expect, it } from 'vitest'
import type { ObjectEntry } from '../../../src/core/driver.js'
import { inByteOrder as sortEntries } from '../../../src/drivers/azure/byte-order.js'
import { inByteOrder, listKeys, store } from '../../../src/testing/driver-cases-support.js'
import { createContainer, describeWithAzurite } from '../../support/azure.js'
import { driverOn } from './driver-on-azurite.js'

/** Above U+FFFF, behind its surrogates in UTF-16, before them, and combinations below one another. */
const LETTERS = ['a', 'z', 'é', '日', '\ud7ff', '\ue000', '\uff5e', '\ufffd', '😀', '𝒳', '\u{10ffff}']
const KEYS = LETTERS.flatMap(first => [
  first,
  ...LETTERS.flatMap(second => [`${first}${second}`, `${first}/${second}`, `x/${first}-${second}/y${first}`]),
])
/** The order of Azure and azurite: JavaScript's own. */
const inUtf16 = (keys: string[]) => keys.toSorted()

async function* entriesOf(keys: string[]): AsyncGenerator<ObjectEntry> {
  for (const key of keys) yield { key, size: 0, lastModified: new Date(0) }
}

async function sorted(keys: string[]): Promise<string[]> {
  const names: string[] = []
  for await (const { key } of sortEntries(entriesOf(keys))) names.push(key)
  return names
}

it('a listing in the order of UTF-16 comes out in the order of UTF-8', async () => {
  expect(inUtf16(KEYS)).not.toEqual(inByteOrder(KEYS))
  expect(await sorted(inUtf16(KEYS))).toEqual(inByteOrder(KEYS))
})

it('a listing in the order of UTF-8 stays as it is', async () => {
  expect(await sorted(inByteOrder(KEYS))).toEqual(inByteOrder(KEYS))
  expect(await sorted([])).toEqual([])
})

it('a key without such characters is not held back', async () => {
  const read: string[] = []
  async function* watched() {
    for await (const entry of entriesOf(['a', 'b', 'c😀', 'd', 'e'])) {
      read.push(entry.key)
      yield entry
    }
  }
  for await (const { key } of sortEntries(watched())) {
    if (key === 'a') expect(read).toEqual(['a'])
    if (key === 'c😀') expect(read).toEqual(['a', 'b', 'c😀', 'd'])
  }
  expect(read).toHaveLength(5)
})

it('the order of a hierarchical namespace is ERR_UNSUPPORTED', async () => {
  await expect(sorted(['a/b', 'a-b', 'a.txt'])).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' })
})

describeWithAzurite('a listing of azurite', () => {
  it('has the order of UTF-16, and the driver makes that of UTF-8 of it, across pages too', async () => {
    const container = await createContainer('order')
    const driver = driverOn(container)
    const keys = KEYS.filter((_, index) => index % 3 === 0)
    for (const key of keys) await store(driver, key, '')
    const raw: string[] = []
    for await (const { name } of container.listBlobsFlat()) raw.push(name)
    expect(raw).toEqual(inUtf16(keys))
    expect(await listKeys(driver, '')).toEqual(inByteOrder(keys))
  })
})
