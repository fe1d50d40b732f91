import { randomUUID } from 'node:crypto'
import { beforeAll, describe, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { driverCases } from '../../../src/testing/index.js'
import { createBucket, listOpenUploads } from '../../support/s3.js'
import { waysOf } from '../../support/suites.js'
import { holdsTrailingDots } from '../trailing-dots.js'

/** Runs every conformance case against a driver on a fresh bucket: as it is, and scoped to a prefix. */
export function runDriverCases(makeDriver: (bucket: string) => Driver): void {
  for (const scope of waysOf([''], ['media/acme/'])) {
    describe(scope === '' ? 'bare' : 'scoped', () => {
      let bucket: string
      let driver: Driver
      beforeAll(async () => {
        bucket = await createBucket('cases')
        driver = makeDriver(bucket)
        await driver.ready()
        if (scope !== '') driver = scopeDriver(driver, scope)
        return () => driver.close?.()
      })
      it('holds segments that end with a dot', () => holdsTrailingDots(driver, `${randomUUID()}/`))
      for (const { name, needs, run } of driverCases) {
        it(name, async () => {
          if (needs !== undefined && !driver.capabilities[needs]) throw new Error(`needs ${needs}`)
          const prefix = `${randomUUID()}/`
          const openUploads = async () => {
            const uploads = await listOpenUploads(bucket)
            return uploads.filter(upload => upload.key.startsWith(scope + prefix)).length
          }
          await run({ driver, prefix, openUploads })
        })
      }
    })
  }
}
