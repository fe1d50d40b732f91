import { randomUUID } from 'node:crypto'
import { describe, it } from 'vitest'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import { driverCases } from '../../../src/testing/index.js'
import { holdsTrailingDots } from '../trailing-dots.js'

// What a driver does not do is not counted as tested.
const cases = driverCases.filter(({ needs }) => needs === undefined || new MemoryDriver().capabilities[needs])

describe.each(['bare', 'scoped'])('MemoryDriver, %s', kind => {
  const open = async () => {
    const driver = new MemoryDriver()
    await driver.ready()
    return kind === 'bare' ? driver : scopeDriver(driver, `media/${randomUUID()}/`)
  }

  for (const { name, run } of cases)
    it(name, async () => run({ driver: await open(), prefix: `${randomUUID()}/` }))

  it('holds segments that end with a dot', async () => holdsTrailingDots(await open(), `${randomUUID()}/`))
})
