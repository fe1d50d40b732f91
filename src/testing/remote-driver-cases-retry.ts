import assert from 'node:assert/strict'
import { readText, rejectsWith, store, TEXT } from './driver-cases-support.js'
import type { RelayFault } from './relay.js'
import { METHODS, QUICK, type RemoteDriverCase, remoteCase, storeOne } from './remote-driver-cases-support.js'

const PASSING: { what: string; fault: RelayFault }[] = [
  ...[429, 500, 502, 503, 504].map(status => ({
    what: `a ${status}`,
    fault: { kind: 'answer' as const, status },
  })),
  { what: 'a connection that breaks before the answer', fault: { kind: 'break' } },
  { what: 'a silence', fault: { kind: 'silence' } },
]

export const retryCases: RemoteDriverCase[] = [
  ...METHODS.map(({ name, call }) =>
    remoteCase(`${name} succeeds when the backend answers 503 twice and then well`, async scene => {
      await storeOne(scene)
      scene.relay.rule = { fault: { kind: 'answer', status: 503 }, times: 2 }
      await call(scene.driver({ maxAttempts: 3 }), scene.key)
    }),
  ),
  ...PASSING.map(({ what, fault }) =>
    remoteCase(`what may pass is tried again: ${what}`, async scene => {
      await storeOne(scene)
      const driver = scene.driver({ maxAttempts: 2, requestTimeout: fault.kind === 'silence' ? 300 : 5_000 })
      scene.relay.rule = { fault, times: 1 }
      assert.equal((await driver.head(scene.key)).size, 6)
      scene.relay.rule = { fault, times: 1 }
      await store(driver, scene.key, 'again')
      assert.equal(await readText(driver, scene.key), 'again')
    }),
  ),
  remoteCase('an answer that breaks off within a listing is asked for again', async scene => {
    await storeOne(scene)
    scene.relay.rule = { fault: { kind: 'cut', after: 10, by: 'break' }, times: 1 }
    const driver = scene.driver({ maxAttempts: 2 })
    const keys: string[] = []
    for await (const { key } of driver.list(scene.key.slice(0, scene.key.indexOf('/') + 1))) keys.push(key)
    assert.deepEqual(keys, [scene.key])
  }),
  remoteCase('a refusal is not tried again', async scene => {
    scene.relay.rule = { fault: { kind: 'answer', status: 403 } }
    await rejectsWith(scene.driver({}).head(scene.key), 'ERR_BACKEND_DENIED')
    assert.equal(scene.relay.seen.length, 1)
  }),
  remoteCase('a backend that is broken for good is asked as often as allowed, and no more', async scene => {
    scene.relay.rule = { fault: { kind: 'answer', status: 500 } }
    await rejectsWith(scene.driver({ maxAttempts: 4 }).head(scene.key), 'ERR_BACKEND')
    assert.equal(scene.relay.seen.length, 4)
  }),
  remoteCase('a backend that is down is not hammered: further tries end with the budget', async scene => {
    scene.relay.rule = { fault: { kind: 'answer', status: 500 } }
    const driver = scene.driver({ maxAttempts: 3, retryBudget: 5 })
    for (let call = 0; call < 20; call++) await rejectsWith(driver.head(scene.key), 'ERR_BACKEND')
    assert.equal(scene.relay.seen.length, 20 + 5)
  }),
  remoteCase('a budget that is used up is earned again by success', async scene => {
    await storeOne(scene)
    const driver = scene.driver({ maxAttempts: 2, retryBudget: 1 })
    const failOnce = () => {
      scene.relay.rule = { fault: { kind: 'answer', status: 500 }, times: 2 }
    }
    failOnce()
    await rejectsWith(driver.head(scene.key), 'ERR_BACKEND')
    for (let call = 0; call < 10; call++) await driver.head(scene.key).catch(() => {})
    scene.relay.rule = { fault: { kind: 'answer', status: 500 }, times: 1 }
    await driver.head(scene.key)
  }),
  remoteCase('Retry-After is waited for', async scene => {
    await storeOne(scene)
    const headers = { 'retry-after': '1' }
    scene.relay.rule = { fault: { kind: 'answer', status: 503, headers }, times: 1 }
    const started = Date.now()
    await scene.driver({ maxRetryDelay: 5_000 }).head(scene.key)
    assert.ok(Date.now() - started >= 990, `asked again after ${Date.now() - started} ms`)
  }),
  remoteCase('Retry-After is not waited for longer than the longest pause', async scene => {
    await storeOne(scene)
    const headers = { 'retry-after': '3600' }
    scene.relay.rule = { fault: { kind: 'answer', status: 503, headers }, times: 1 }
    const started = Date.now()
    await scene.driver(QUICK).put(scene.key, Buffer.from('again'), TEXT)
    assert.ok(Date.now() - started < 3_000, `asked again after ${Date.now() - started} ms`)
  }),
]
