import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Pool } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { postgresDriver } from '../../examples/custom-driver/postgres-driver.js'
import { type Driver, scopeDriver } from '../../src/core/index.js'
import { driverCases } from '../../src/testing/index.js'
import { holdsTrailingDots } from '../drivers/trailing-dots.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { root } from '../tooling/tools.js'

const read = (file: string) => readFileSync(path.join(root, file), 'utf8')

describe('the page on writing a driver', () => {
  const source = read('examples/custom-driver/postgres-driver.ts')
  const page = read('docs/how-to/write-a-driver.md')

  it('leads to a driver of fewer than 150 lines', () => {
    expect(source.trimEnd().split('\n').length).toBeLessThan(150)
  })

  it('shows only what stands in that driver, or is a file of its own', () => {
    const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
    const pieces = blocks.filter(block => !/^\/\/ [\w.-]+\.ts\n/.test(block))
    expect(pieces.length).toBeGreaterThan(5)
    expect(pieces.filter(piece => !source.includes(piece))).toEqual([])
  })
})

describeWithPostgres('the driver for PostgreSQL in the examples', () => {
  let pool: Pool
  beforeAll(async () => {
    const { url } = await freshDatabase()
    pool = new Pool({ connectionString: url, connectionTimeoutMillis: 20_000 })
    return () => pool.end()
  })

  // What a driver does not do is not counted as tested.
  const { capabilities } = postgresDriver(new Pool())
  const cases = driverCases.filter(({ needs }) => needs === undefined || capabilities[needs])

  describe.each(['', 'media/acme/'])('below the prefix "%s"', scope => {
    let driver: Driver
    beforeAll(async () => {
      driver = postgresDriver(pool)
      await driver.ready()
      if (scope !== '') driver = scopeDriver(driver, scope)
    })

    it.each(cases)('$name', ({ run }) => run({ driver, prefix: `${randomUUID()}/` }))

    it('holds segments that end with a dot', () => holdsTrailingDots(driver, `${randomUUID()}/`))
  })
})
