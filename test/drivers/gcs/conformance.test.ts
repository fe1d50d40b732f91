import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { GcsDriver, type GcsDriverOptions } from '../../../src/drivers/gcs/index.js'
import { driverCases } from '../../../src/testing/index.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { waysOf } from '../../support/suites.js'
import { holdsTrailingDots } from '../trailing-dots.js'
import { stubClient } from './stub-client.js'

const MIB = 1024 * 1024

const ALL = driverCases
const SIGNED = driverCases.filter(({ needs }) => needs === 'signedUrls')

interface Run {
  what: string
  scope: string
  cases: typeof driverCases
  options: (stub: GcsStub) => Partial<GcsDriverOptions>
}

const RUNS = waysOf<Run>(
  [
    { what: 'bare', scope: '', cases: ALL, options: () => ({}) },
    { what: 'with an HMAC key', scope: '', cases: SIGNED, options: stub => ({ hmac: stub.hmac }) },
  ],
  [{ what: 'scoped', scope: 'media/acme/', cases: ALL, options: () => ({}) }],
)

describe('the GCS driver on a GCS stub keeps the promises of every driver', () => {
  for (const { what, scope, cases, options } of RUNS) {
    describe(what, () => {
      const stub = new GcsStub()
      let bucket: string
      let driver: Driver
      beforeAll(async () => {
        await stub.start()
        bucket = stub.createBucket()
        driver = new GcsDriver({ bucket, client: stubClient(stub), chunkSize: 5 * MIB, ...options(stub) })
        await driver.ready()
        if (scope !== '') driver = scopeDriver(driver, scope)
      })
      afterAll(async () => {
        await driver.close?.()
        await stub.close()
      })
      it('holds segments that end with a dot', () => holdsTrailingDots(driver, `${randomUUID()}/`))
      for (const { name, needs, run } of cases) {
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
})
