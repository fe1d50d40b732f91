import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { MigrationReport } from '../../src/migrate/index.js'
import { rollbackFiles } from '../../src/migrate/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { linesOf, Parcel, readText, textsOf } from './town.js'
import { type Address, movingTown, Traffic } from './traffic.js'

const ROWS = 2000
const PROGRAM = fileURLToPath(new URL('./runner.mjs', import.meta.url))

function startRunner(address: Address, options: object = {}) {
  return spawn(process.execPath, [PROGRAM, JSON.stringify({ address, ...options })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function reportOf(runner: ReturnType<typeof startRunner>): Promise<MigrationReport> {
  return JSON.parse(await text(runner.stdout))
}

describeWithPostgres('a move', () => {
  describeWithS3('whose runner is killed three times under live traffic', () => {
    it('is ended by two others, and loses and repeats nothing', { timeout: 300_000 }, async () => {
      const { storage, dataSource, parcels, address } = await movingTown(ROWS, 20)
      const moved = async () => {
        const [{ n }] = await dataSource
          .query(`SELECT COUNT(*) AS n FROM file_migration WHERE state = 'moved'`)
          .catch(() => [{ n: 0 }])
        return Number(n)
      }
      const before = await textsOf(dataSource)
      const ids = (await parcels.find({ order: { id: 'ASC' } })).map(({ id }) => id)
      const traffic = await Traffic.on(storage, dataSource)
      for (let kill = 0; kill < 3; kill++) {
        const runner = startRunner(address, { rate: 6000 })
        const goal = (await moved()) + 150
        const deadline = Date.now() + 60_000
        while ((await moved()) < goal && Date.now() < deadline)
          await new Promise(done => setTimeout(done, 20))
        expect(runner.exitCode).toBeNull()
        runner.kill('SIGKILL')
        await once(runner, 'exit')
      }
      const half = await moved()
      expect(half).toBeGreaterThan(400)
      expect(half).toBeLessThan(ROWS)
      const reports = await Promise.all([startRunner(address), startRunner(address)].map(reportOf))
      await traffic.stop()
      for (const report of reports) expect(report).toMatchObject({ failed: 0, aborted: false })
      expect((reports[0]?.moved ?? 0) + (reports[1]?.moved ?? 0) + half).toBe(await moved())
      const left = await parcels.find()
      expect(left).toHaveLength(ROWS - traffic.removed)
      expect(new Set(left.map(({ file }) => file?.backend))).toEqual(new Set(['s3']))
      for (const { file, owner } of left) expect(await readText(file)).toMatch(new RegExp(`^${owner} `))
      expect((await linesOf(dataSource))['s3 attached']).toBe(left.length)
      expect(traffic.reads).toBeGreaterThan(500)
      // What was not replaced has its old text again, byte for byte.
      const back = await rollbackFiles({ dataSource, entity: Parcel, to: 's3' })
      expect(back).toMatchObject({ failed: 0, restored: left.length - traffic.replaced })
      const old = new Map(ids.map((id, index) => [id, before[index]]))
      const now = await dataSource.query(
        `SELECT id, file AS text FROM parcel WHERE file LIKE '%"backend":"local"%'`,
      )
      expect(now).toHaveLength(back.restored)
      for (const row of now) expect(row.text).toBe(old.get(row.id))
    })
  })
})
