import type { Driver } from '../../src/core/driver.js'
import { scopeDriver } from '../../src/core/scoped-driver.js'
import { createStorage } from '../../src/core/storage.js'
import type { FileAddress } from '../../src/core/stored-file.js'
import { BYTES, type Door, keysIn, type Place, type Target, TEXT } from './doors.js'

const SECRET = 'a secret of enough length'

/** What the files of everybody but `acme` hold, and nobody else may be told. */
export const FOREIGN = 'not for acme'

const FOREIGN_KEYS = [
  'media/globex/a.txt',
  'media/acme-corp/a.txt',
  'media/ACME/a.txt',
  'media/acm/a.txt',
  'media/acme1/a.txt',
  'public-media/globex/a.txt',
  'elsewhere/a.txt',
]

export const addressOf = (tenant: string | null, key = 'a.txt', disk = 'media'): FileAddress => ({
  disk,
  backend: 'spy',
  tenant,
  key,
})

/** A storage on this driver, with a file of `acme` and files of everybody around it. */
export async function placeOn(driver: Driver): Promise<Place> {
  const storage = createStorage({ secret: SECRET, backends: { spy: driver } })
  return { storage, disk: storage.disk('media'), scoped: scopeDriver(driver, 'media/acme/') }
}

export async function fill(driver: Driver): Promise<void> {
  await driver.put('media/acme/a.txt', BYTES, TEXT)
  for (const key of FOREIGN_KEYS) await driver.put(key, Buffer.from(`${FOREIGN}: ${key}`), TEXT)
}

/** All that a driver holds outside of `acme`'s part: keys and bytes. */
export async function outside(driver: Driver): Promise<Record<string, string>> {
  const keys = (await keysIn(driver.list(''))).filter(key => !key.startsWith('media/acme/'))
  return Object.fromEntries(await Promise.all(keys.map(async key => [key, await textAt(driver, key)])))
}

async function textAt(driver: Driver, key: string): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of (await driver.get(key)).body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Every way of one door to a key of one owner: as a bare key, and in an address. */
export function waysTo(
  door: Door,
  key: string,
  owner: string | null = 'acme',
): ((place: Place) => unknown)[] {
  const address = addressOf(owner, key)
  const bare: Target = key
  switch (door.by) {
    case 'target':
      return [place => door.call(place, bare), place => door.call(place, address)]
    case 'address':
      return [place => door.call(place, address)]
    case 'key':
      return [place => door.call(place, key)]
    case 'prefix':
      return [place => door.call(place, key)]
    case 'caller':
      return [place => door.call(place)]
    default:
      return []
  }
}
