import { beforeEach, describe, expect, it } from 'vitest'
import { runAsSystem, runWithTenant } from '../../src/core/tenant.js'
import { codeOf } from '../core/errors-of.js'
import { SpyDriver } from '../core/spy-driver.js'
import { BYTES, doorsBy, type Place, type Target, TEXT } from './doors.js'
import { addressOf, placeOn } from './place.js'

const onFiles = doorsBy('target').filter(({ door }) => door.only !== 'names')
const isWrite = ({ method }: { method: string }) => ['put', 'delete', 'copy'].includes(method)
const writes = onFiles.filter(isWrite)
const reads = onFiles.filter(each => !isWrite(each))

describe.each([
  ['shared', 'shared', 'media/shared/'],
  ['static', null, 'static/'],
] as const)('the disk %s', (name, owner, prefix) => {
  let spy: SpyDriver
  let place: Place
  beforeEach(async () => {
    spy = new SpyDriver({ signs: true })
    const { storage, scoped } = await placeOn(spy)
    place = { storage, scoped, disk: storage.disk(name) }
    await spy.memory.put(`${prefix}a.txt`, BYTES, TEXT)
  })
  const targets = (key = 'a.txt'): Target[] => [key, addressOf(owner, key, name)]

  it.each(writes)('is written under runAsSystem only: $name', async ({ door }) => {
    const [key, address] = targets(door.on === 'free' ? 'b.txt' : 'a.txt')
    for (const target of [key!, address!]) {
      const attempt = () => codeOf(() => door.call(place, target))
      expect(await runWithTenant('acme', attempt)).toBe('ERR_SYSTEM_REQUIRED')
      expect(await attempt()).toBe('ERR_SYSTEM_REQUIRED')
    }
    expect(spy.calls).toEqual([])
    expect(await runAsSystem('a test', () => codeOf(() => door.call(place, address!)))).toBe('none')
    for (const seen of spy.keys) expect(seen.startsWith(prefix)).toBe(true)
  })

  it.each(reads)('is read by every tenant and by nobody in particular: $name', async ({ door }) => {
    for (const target of targets()) {
      const attempt = () => codeOf(() => door.call(place, target))
      expect(await attempt()).toBe('none')
      expect(await runWithTenant('acme', attempt)).toBe('none')
    }
    for (const seen of spy.keys) expect(seen.startsWith(prefix)).toBe(true)
  })

  it.each(doorsBy('prefix').filter(({ subject }) => subject === 'Disk'))(
    'is listed for everybody: $name',
    async ({ door }) => {
      expect(await door.call(place, '')).toEqual(['a.txt'])
      expect(await runWithTenant('acme', () => door.call(place, ''))).toEqual(['a.txt'])
    },
  )

  it.each(onFiles)('refuses an address that names another owner: $name', async ({ door }) => {
    for (const other of ['acme', owner === null ? 'shared' : null]) {
      const address = addressOf(other, 'a.txt', name)
      const attempt = () => codeOf(() => door.call(place, address))
      expect(await runAsSystem('a test', attempt)).toBe('ERR_TENANT_MISMATCH')
    }
    expect(spy.calls).toEqual([])
  })
})
