import assert from 'node:assert/strict'
import type { Driver } from '../../src/core/driver.js'
import { listKeys, readText, store } from '../../src/testing/driver-cases-support.js'

const KEYS = ['...', '..a/.b/c..', 'file.', 'a./b']

/**
 * That a driver holds segments which end with a dot. The shared case leaves it open, because Azure cannot; every
 * other driver must.
 */
export async function holdsTrailingDots(driver: Driver, prefix: string): Promise<void> {
  const keys = KEYS.map(key => prefix + key)
  for (const key of keys) await store(driver, key, key)
  assert.deepEqual((await listKeys(driver, prefix)).toSorted(), keys.toSorted())
  for (const key of keys) {
    assert.equal(await readText(driver, key), key)
    assert.equal((await driver.head(key)).size, Buffer.byteLength(key))
    await driver.copy(key, `${prefix}copies/${key}`)
    assert.equal(await readText(driver, `${prefix}copies/${key}`), key)
    const url = driver.signUrl?.(key, { method: 'GET', expiresIn: 60, at: Date.now() })
    if (driver.capabilities.signedUrls) assert.equal(await (await fetch(url ?? '')).text(), key)
    await driver.delete(key)
  }
  assert.deepEqual(await listKeys(driver, prefix), keys.map(key => `${prefix}copies/${key}`).toSorted())
}
