import { randomUUID } from 'node:crypto'
import { describe, it } from 'vitest'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { LocalDriver } from '../../../src/drivers/local/index.js'
import { driverCases } from '../../../src/testing/index.js'
import { tempDir } from '../../support/temp-dir.js'

describe.each(['bare', 'scoped'])('LocalDriver, %s', kind => {
  it.each(driverCases)('$name', async ({ needs, run }) => {
    const local = new LocalDriver({ root: tempDir() })
    await local.ready()
    const driver = kind === 'bare' ? local : scopeDriver(local, `media/${randomUUID()}/`)
    if (needs !== undefined && !driver.capabilities[needs]) return
    await run({ driver, prefix: `${randomUUID()}/` })
  })
})
