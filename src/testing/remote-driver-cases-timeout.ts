import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeDoor } from './closed-door.js'
import { promptly, readText, rejectsWith } from './driver-cases-support.js'
import { METHODS, type RemoteDriverCase, remoteCase, storeOne } from './remote-driver-cases-support.js'

const NEVER = { requestTimeout: 200, maxAttempts: 1 }

export const timeoutCases: RemoteDriverCase[] = [
  ...METHODS.map(({ name, call }) =>
    remoteCase(`${name} ends in time when the backend never answers`, async scene => {
      scene.relay.rule = { fault: { kind: 'silence' } }
      await rejectsWith(promptly(call(scene.driver(NEVER), scene.key)), 'ERR_BACKEND_TIMEOUT')
    }),
  ),
  remoteCase('a backend that accepts no connection is given up after the connect time-out', async scene => {
    const door = await closeDoor()
    try {
      const limits = { connectTimeout: 200, requestTimeout: 30_000, maxAttempts: 1 }
      const driver = scene.driver(limits, door.endpoint)
      await rejectsWith(promptly(driver.head(scene.key)), 'ERR_BACKEND_TIMEOUT')
    } finally {
      await door.close()
    }
  }),
  remoteCase('a backend that is slow, but in time, is waited for by every method', async scene => {
    await storeOne(scene)
    scene.relay.rule = { fault: { kind: 'delay', ms: 400 } }
    const driver = scene.driver({ requestTimeout: 5_000, connectTimeout: 300, maxAttempts: 1 })
    assert.equal(await readText(driver, scene.key), 'stored')
    for (const { call } of METHODS) await call(driver, scene.key)
  }),
  remoteCase('an abort ends the wait for a backend that never answers', async scene => {
    scene.relay.rule = { fault: { kind: 'silence' } }
    const head = scene.driver({}).head(scene.key, { signal: AbortSignal.timeout(50) })
    await rejectsWith(promptly(head), 'ERR_UPLOAD_ABORTED')
  }),
  remoteCase('an abort ends a pause between two tries', async scene => {
    scene.relay.rule = { fault: { kind: 'answer', status: 503 } }
    const driver = scene.driver({ retryDelay: 60_000, maxRetryDelay: 60_000 })
    const abort = new AbortController()
    const head = driver.head(scene.key, { signal: abort.signal })
    head.catch(() => {})
    while (scene.relay.seen.length === 0) await sleep(5)
    await sleep(100)
    abort.abort()
    await rejectsWith(promptly(head), 'ERR_UPLOAD_ABORTED')
    assert.equal(scene.relay.seen.length, 1)
  }),
]
