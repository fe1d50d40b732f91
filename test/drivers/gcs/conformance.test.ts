import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { GcsDriver, type GcsDriverOptions } from '../../../src/drivers/gcs/index.js'
import { driverCases } from '../../../src/testing/index.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const MIB = 1024 * 1024

const WAYS: { way: string; options: (stub: GcsStub) => Partial<GcsDriverOptions> }[] = [
  { way: "a service account's key", options: stub => ({ client: stubClient(stub) }) },
  { way: 'an HMAC key', options: stub => ({ client: stubClient(stub), hmac: stub.hmac }) },
]

describe.each(WAYS)(
  'the GCS driver on a GCS stub, signing by $way, keeps the promises of every driver',
  ({ options }) => {
    for (const scope of ['', 'media/acme/']) {
      describe(scope === '' ? 'bare' : 'scoped', () => {
        const stub = new GcsStub()
        let bucket: string
        let driver: Driver
        beforeAll(async () => {
          await stub.start()
          bucket = stub.createBucket()
          driver = new GcsDriver({ bucket, chunkSize: 5 * MIB, ...options(stub) })
          await driver.ready()
          if (scope !== '') driver = scopeDriver(driver, scope)
        })
        afterAll(async () => {
          await driver.close?.()
          await stub.close()
        })
        for (const { name, needs, run } of driverCases) {
          it(name, async () => {
            if (needs !== undefined && !driver.capabilities[needs]) throw new Error(`needs ${needs}`)
            const prefix = `${randomUUID()}/`
            const openUploads = async () =>
              stub.openSessions(bucket).filter(key => key.startsWith(scope + prefix)).length
            await run({ driver, prefix, openUploads })
          })
        }
      })
    }
  },
)
