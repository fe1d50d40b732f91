import { randomUUID } from 'node:crypto'
import { describe, it } from 'vitest'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { LocalDriver } from '../../../src/drivers/local/index.js'
import { driverCases } from '../../../src/testing/index.js'
import { waysOf } from '../../support/suites.js'
import { tempDir } from '../../support/temp-dir.js'
import { holdsTrailingDots } from '../trailing-dots.js'

// What a driver does not do is not counted as tested.
const cases = driverCases.filter(
  ({ needs }) => needs === undefined || new LocalDriver({ root: 'unused' }).capabilities[needs],
)

describe.each(waysOf(['bare'], ['scoped']))('LocalDriver, %s', kind => {
  const open = async () => {
    const driver = new LocalDriver({ root: tempDir() })
    await driver.ready()
    return kind === 'bare' ? driver : scopeDriver(driver, `media/${randomUUID()}/`)
  }

  for (const { name, run } of cases)
    it(name, async () => run({ driver: await open(), prefix: `${randomUUID()}/` }))

  it('holds segments that end with a dot', async () => holdsTrailingDots(await open(), `${randomUUID()}/`))
})
