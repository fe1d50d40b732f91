import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSource } from 'typeorm'
import { expect, it } from 'vitest'
import { migrateFiles } from '../../src/migrate/index.js'
import { reapOnce, reconcile } from '../../src/typeorm/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { Delivery } from './delivery.js'
import { backendsIn, filesBelow, objectsIn, objectsOf, rawRows } from './inventory.js'
import { movingTown } from './moving-town.js'
import { Runner } from './runners.js'
import { journalOf, linesOf, timePasses } from './town.js'

const ROWS = 3000
const MINUTE = 60_000

/** Lines of the journal in this state. */
async function count(dataSource: DataSource, state: string): Promise<number> {
  const [{ n }] = await dataSource.query('SELECT COUNT(*) AS n FROM file_migration WHERE state = $1', [state])
  return Number(n)
}

/** Kills runners in the middle of their work, one after the other, and lets two more end it side by side. */
async function byKilledRunners<T extends 'rollback' | 'prune'>(
  start: () => Runner<T>,
  done: () => Promise<number>,
  doneBy: (report: Awaited<ReturnType<Runner<T>['report']>>) => number,
): Promise<void> {
  for (let kills = 0; kills < 3; kills++) {
    const before = await done()
    const runner = start()
    const deadline = Date.now() + MINUTE
    while ((await done()) === before && Date.now() < deadline) await sleep(1)
    await runner.kill()
    expect(await done()).toBeGreaterThan(before)
  }
  const left = ROWS - (await done())
  expect(left).toBeGreaterThan(0)
  const reports = await Promise.all([start(), start()].map(runner => runner.report()))
  expect(reports.map(({ failed, aborted }) => [failed, aborted])).toEqual(Array(2).fill([0, false]))
  // None did what another one had done.
  expect(reports.reduce((sum, report) => sum + doneBy(report), 0)).toBe(left)
}

describeWithPostgres(`a move of ${ROWS} files`, () => {
  describeWithS3('from the local disk to Ceph', () => {
    it(
      'is taken back to the letter, and pruned to the last file, by runners that are killed',
      async () => {
        const { address, dataSource, storage, reaper } = await movingTown(ROWS, 10)
        const before = await rawRows(dataSource)
        const move = () => migrateFiles({ dataSource, entity: Delivery, to: 's3' })
        expect(await move()).toMatchObject({ moved: ROWS, failed: 0 })

        await byKilledRunners(
          () => new Runner('rollback', address),
          () => count(dataSource, 'restored'),
          ({ restored }) => restored,
        )
        expect(await rawRows(dataSource)).toEqual(before)
        expect(await linesOf(dataSource)).toEqual({ 'local attached': ROWS, 's3 kept': ROWS })
        expect(await filesBelow(address.root)).toHaveLength(ROWS)

        expect(await move()).toMatchObject({ moved: ROWS, failed: 0 })
        await timePasses(dataSource, 31)
        await byKilledRunners(
          () => new Runner('prune', address, { keep: 30 }),
          () => count(dataSource, 'pruned'),
          ({ pruned }) => pruned,
        )
        expect(new Set((await journalOf(dataSource)).map(String))).toEqual(new Set(['pruned,']))
        await reaper.stop()
        for (let n = 0; n < 2; n++) {
          // What was reaped is looked after once more, a day later.
          await dataSource.query(`UPDATE file_ledger SET expires_at = expires_at - ${86_400_000}`)
          expect(await reapOnce(storage)).toMatchObject({ failed: 0 })
        }
        const rows = await rawRows(dataSource)
        expect(backendsIn(rows)).toEqual(new Set(['s3']))
        expect(await objectsIn(address.s3.bucket)).toEqual(objectsOf(rows))
        expect(await filesBelow(address.root)).toEqual([])
        expect(await linesOf(dataSource)).toEqual({ 's3 attached': ROWS })
        expect((await reconcile({ dataSource, grace: 0 })).findings).toEqual([])
      },
      10 * MINUTE,
    )
  })
})
