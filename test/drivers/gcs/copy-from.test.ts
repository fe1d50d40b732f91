import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { GcsDriver } from '../../../src/drivers/gcs/index.js'
import { copyFromCases } from '../../../src/testing/index.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const CREATE = { contentType: 'text/plain', size: 3, ifNoneMatch: '*' } as const

describe('two buckets of Google Cloud Storage, on a GCS stub', () => {
  const stub = new GcsStub()
  beforeAll(() => stub.start())
  afterAll(() => stub.close())

  const driverOnNewBucket = () => new GcsDriver({ bucket: stub.createBucket(), client: stubClient(stub) })

  for (const scope of ['', 'media/acme/']) {
    describe(scope === '' ? 'bare' : 'scoped', () => {
      let from: Driver
      let to: Driver
      beforeAll(() => {
        from = driverOnNewBucket()
        to = driverOnNewBucket()
        if (scope === '') return
        from = scopeDriver(from, scope)
        to = scopeDriver(to, scope)
      })
      for (const { name, run } of copyFromCases) it(name, () => run({ from, to, prefix: `${randomUUID()}/` }))
    })
  }

  it('give one of several create-only copies to a key the key', async () => {
    const [from, to] = [driverOnNewBucket(), driverOnNewBucket()]
    const bodies = ['one', 'two', 'six', 'ten']
    for (const body of bodies) await from.put(body, Buffer.from(body), { contentType: 'text/plain' })
    const racers = await Promise.allSettled(
      bodies.map(body => to.copyFrom(from.copySource(body), 'a.txt', CREATE)),
    )
    expect(racers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const racer of racers)
      if (racer.status === 'rejected') expect(racer.reason).toMatchObject({ code: 'ERR_FILE_EXISTS' })
  })

  it('are closed to one another where the account may not read the source', async () => {
    const from = driverOnNewBucket()
    await from.put('a.txt', Buffer.from('one'), { contentType: 'text/plain' })
    const bucket = stub.createBucket(stub.stranger)
    const stranger = new GcsDriver({ bucket, client: stubClient(stub, stub.stranger) })
    await expect(stranger.copyFrom(from.copySource('a.txt'), 'a.txt', CREATE)).rejects.toMatchObject({
      code: 'ERR_BACKEND_DENIED',
    })
    await expect(stranger.head('a.txt')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })
})
