import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Application, describeWithApplication } from './application.js'

const ROWS = 300_000
const TENANTS = 50

/** Rows of files that nobody stored: where they lie stands in their text. */
const INSERT = `
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${ROWS - 1})
INSERT INTO ticket ("tenantId", attachment)
SELECT 'tenant-' || (n % ${TENANTS}),
  '{"v":1,"disk":"media","backend":"local","tenant":"tenant-' || (n % ${TENANTS}) || '","key":"tickets/' || n
    || '.txt","name":"a file of some name.txt","size":1000,"type":"text/plain","sha256":null}'
FROM numbers`

describeWithApplication('tenant-files status of many rows', open => {
  let app: Application
  beforeAll(async () => {
    app = await open()
    await app.dataSource.query(INSERT)
  }, 300_000)
  afterAll(() => app.close())

  test('needs no more memory than of a few', { timeout: 300_000 }, async () => {
    const { code, stdout } = await app.shop.runBy(['--max-old-space-size=40'], 'status', '--json')
    expect(code).toBe(0)
    const { places } = JSON.parse(stdout)
    expect(places).toHaveLength(TENANTS)
    for (const place of places)
      expect(place).toMatchObject({ backend: 'local', rows: ROWS / TENANTS, bytes: (ROWS / TENANTS) * 1000 })
  })
})
