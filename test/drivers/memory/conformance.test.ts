import { randomUUID } from 'node:crypto'
import { describe, it } from 'vitest'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import { driverCases } from '../../../src/testing/index.js'

describe.each(['bare', 'scoped'])('MemoryDriver, %s', kind => {
  it.each(driverCases)('$name', async ({ needs, run }) => {
    const memory = new MemoryDriver()
    await memory.ready()
    const driver = kind === 'bare' ? memory : scopeDriver(memory, `media/${randomUUID()}/`)
    if (needs !== undefined && !driver.capabilities[needs]) return
    await run({ driver, prefix: `${randomUUID()}/` })
  })
})
