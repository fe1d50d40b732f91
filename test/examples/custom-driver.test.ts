import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Pool } from 'pg'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { postgresDriver } from '../../examples/custom-driver/postgres-driver.js'
import { type Driver, scopeDriver } from '../../src/core/index.js'
import { stallingStream } from '../../src/testing/driver-cases-support.js'
import { driverCases } from '../../src/testing/index.js'
import { holdsTrailingDots } from '../drivers/trailing-dots.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { waysOf } from '../support/suites.js'
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

  it('leaves nothing of an upload whose connection is killed, and lives on', async () => {
    const driver = postgresDriver(pool)
    await driver.ready()
    const body = stallingStream(Buffer.alloc(1024 * 1024))
    const put = driver.put('killed.bin', body, { contentType: 'text/plain' })
    put.catch(() => {})
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'idle in transaction'`
    await vi.waitFor(async () => expect((await pool.query(kill)).rowCount).toBe(1), 10_000)
    body.push(Buffer.alloc(1024 * 1024))
    body.push(null)
    await expect(put).rejects.toMatchObject({ code: 'ERR_BACKEND' })
    await expect(driver.head('killed.bin')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
    expect((await pool.query('SELECT FROM stored_chunk')).rowCount).toBe(0)
  })

  // What a driver does not do is not counted as tested.
  const { capabilities } = postgresDriver(new Pool())
  const cases = driverCases.filter(({ needs }) => needs === undefined || capabilities[needs])

  describe.each(waysOf([''], ['media/acme/']))('below the prefix "%s"', scope => {
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
