import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { LARGE, promptly, readBytes, rejectsWith, someBytes, TEXT } from './driver-cases-support.js'
import { type RemoteDriverCase, remoteCase, type Scene } from './remote-driver-cases-support.js'

const BYTES = someBytes(LARGE)
/** More than any answer but a download has. */
const HALF = Math.floor(LARGE / 2)

async function storeLarge({ driver, key }: Scene): Promise<void> {
  await driver({}).put(key, BYTES, TEXT)
}

export const downloadCases: RemoteDriverCase[] = [
  remoteCase('a download that the backend ends early fails, and is never a short file', async scene => {
    await storeLarge(scene)
    scene.relay.rule = { on: 'reads', fault: { kind: 'cut', after: HALF, by: 'break' } }
    await rejectsWith(promptly(readBytes(scene.driver({}), scene.key)), 'ERR_BACKEND')
  }),
  remoteCase('a download that falls silent fails after the idle time', async scene => {
    await storeLarge(scene)
    scene.relay.rule = { on: 'reads', fault: { kind: 'cut', after: HALF, by: 'silence' } }
    const driver = scene.driver({ idleTimeout: 200 })
    await rejectsWith(promptly(readBytes(driver, scene.key)), 'ERR_BACKEND_TIMEOUT')
  }),
  remoteCase('a reader may take longer than every time-out', async scene => {
    await storeLarge(scene)
    const { body } = await scene.driver({ idleTimeout: 300, requestTimeout: 1_000 }).get(scene.key)
    const chunks: Uint8Array[] = []
    for await (const chunk of body) {
      if (chunks.length < 3) await sleep(400)
      chunks.push(chunk)
    }
    assert.ok(Buffer.concat(chunks).equals(BYTES))
  }),
  remoteCase('a download ends with its signal', async scene => {
    await storeLarge(scene)
    const abort = new AbortController()
    const { body } = await scene.driver({}).get(scene.key, { signal: abort.signal })
    setTimeout(() => abort.abort(), 20)
    const read = async () => {
      for await (const _ of body) await sleep(20)
    }
    await rejectsWith(promptly(read()), 'ERR_UPLOAD_ABORTED')
  }),
]
