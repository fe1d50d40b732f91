import assert from 'node:assert/strict'
import { promptly, readText, rejectsWith, store, TEXT } from './driver-cases-support.js'
import { type RemoteDriverCase, remoteCase } from './remote-driver-cases-support.js'

const MINE = Buffer.from('mine')
const CREATE = { ...TEXT, ifNoneMatch: '*' } as const

export const lostAnswerCases: RemoteDriverCase[] = [
  remoteCase('a create-only put succeeds though its first answer got lost', async scene => {
    scene.relay.rule = { on: 'writes', fault: { kind: 'lose', by: 'break' }, times: 1 }
    const driver = scene.driver({})
    const { size, etag } = await driver.put(scene.key, MINE, CREATE)
    assert.deepEqual({ size, etag }, { size: 4, etag: (await driver.head(scene.key)).etag })
  }),
  remoteCase('a create-only put that lost its answer is refused for what is not its own', async scene => {
    await store(scene.driver({}), scene.key, 'theirs')
    scene.relay.rule = { on: 'writes', fault: { kind: 'lose', by: 'break' }, times: 1 }
    const driver = scene.driver({})
    await rejectsWith(driver.put(scene.key, MINE, CREATE), 'ERR_FILE_EXISTS')
    assert.equal(await readText(driver, scene.key), 'theirs')
  }),
  remoteCase('a put whose answer never came succeeds, since the object is there', async scene => {
    scene.relay.rule = { on: 'writes', fault: { kind: 'lose', by: 'silence' } }
    const driver = scene.driver({ requestTimeout: 300, maxAttempts: 1 })
    assert.equal((await driver.put(scene.key, MINE, TEXT)).size, 4)
    assert.equal(await readText(driver, scene.key), 'mine')
  }),
  remoteCase('an object that arrived although the put was aborted is taken back', async scene => {
    const abort = new AbortController()
    const onDone = () => abort.abort()
    scene.relay.rule = { on: 'writes', fault: { kind: 'lose', by: 'silence' }, times: 1, onDone }
    const driver = scene.driver({})
    await rejectsWith(
      promptly(driver.put(scene.key, MINE, { ...TEXT, signal: abort.signal })),
      'ERR_UPLOAD_ABORTED',
    )
    await rejectsWith(driver.head(scene.key), 'ERR_FILE_NOT_FOUND')
  }),
  remoteCase("somebody else's object is never taken back", async scene => {
    const abort = new AbortController()
    const direct = scene.driver({})
    const onDone = async () => {
      await store(direct, scene.key, 'theirs')
      abort.abort()
    }
    scene.relay.rule = { on: 'writes', fault: { kind: 'silence' }, times: 1, onDone: () => void onDone() }
    const put = scene.driver({}).put(scene.key, MINE, { ...TEXT, signal: abort.signal })
    await rejectsWith(promptly(put), 'ERR_UPLOAD_ABORTED')
    assert.equal(await readText(direct, scene.key), 'theirs')
  }),
]
