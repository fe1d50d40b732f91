import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSource } from 'typeorm'
import { expect, it } from 'vitest'
import { pruneFiles, rollbackFiles } from '../../src/migrate/index.js'
import { reapOnce, reconcile } from '../../src/typeorm/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3, listOpenUploads } from '../support/s3.js'
import { ledgerOf } from '../typeorm/databases.js'
import { Delivery } from './delivery.js'
import { backendsIn, filesBelow, namesIn, objectsIn, objectsOf, rawRows } from './inventory.js'
import { type MovingTown, movingTown } from './moving-town.js'
import { Runner } from './runners.js'
import { timePasses } from './town.js'
import { Traffic } from './traffic.js'

/** Where there is less time. */
const ROWS = Number(process.env.TEST_HOUSE_ROWS ?? 20_000)
const TENANTS = 50
const MINUTE = 60_000

/** How many rows the runners have moved so far, those that died among them. */
async function movedRows(dataSource: DataSource): Promise<number> {
  const [{ n }] = await dataSource
    .query(`SELECT COUNT(*) AS n FROM file_migration WHERE state = 'moved'`)
    .catch(() => [{ n: 0 }]) // the first runner has not made the table yet
  return Number(n)
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10 * MINUTE
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It takes too long.')
    await sleep(20)
  }
}

/** Three runners are killed, the last one beside another, who ends the move together with a fifth. */
async function moveByKilledRunners({ address, dataSource }: MovingTown, traffic: Traffic): Promise<void> {
  const more = async (share: number) => {
    const goal = (await movedRows(dataSource)) + ROWS * share
    await until(async () => (await movedRows(dataSource)) >= goal)
  }
  for (const share of [0.05, 0.1]) {
    const runner = Runner.mover(address)
    await more(share)
    await runner.kill()
  }
  // So slow that every file is read before they are done.
  const [killed, survivor] = [0, 1].map(() => Runner.mover(address, { rate: '200kb' })) as [Runner, Runner]
  await more(0.05)
  await until(() => traffic.rounds > 0)
  await killed.kill()
  expect(await movedRows(dataSource)).toBeLessThan(ROWS * 0.8)
  const reports = await Promise.all([survivor.report(), Runner.mover(address).report()])
  for (const report of reports) {
    expect(report).toMatchObject({ failed: 0, aborted: false })
    expect(report.moved).toBeGreaterThan(0)
  }
}

/** Rows that hold what the move has written, and so can be taken back. */
async function restorable(dataSource: DataSource): Promise<Set<number>> {
  const rows: { id: number }[] = await dataSource.query(
    `SELECT id FROM delivery JOIN file_migration ON row_id = '["' || id || '"]' WHERE state = 'moved' AND file = new_text`,
  )
  return new Set(rows.map(({ id }) => id))
}

/** As if everything that waits in the ledger were so many days older; then what is due is reaped. */
async function reapAfter(days: number, { dataSource, storage }: MovingTown): Promise<void> {
  await dataSource.query(`UPDATE file_ledger SET expires_at = expires_at - ${days * 86_400_000}`)
  expect(await reapOnce(storage)).toMatchObject({ failed: 0 })
}

describeWithPostgres(`a house of ${ROWS} files`, () => {
  describeWithS3('that moves from the local disk to Ceph while people live in it', () => {
    it(
      'arrives whole, goes back to the letter, moves again and leaves nothing behind',
      async () => {
        const town = await movingTown(ROWS, TENANTS)
        const { dataSource, deliveries, address, reaper } = town
        const { bucket } = address.s3
        // Written by somebody else, and not as we would.
        await dataSource.query(
          `UPDATE delivery SET file = REPLACE(file, '{"v":1,', '{ "v": 1, ') WHERE id % 97 = 0`,
        )
        const before = await rawRows(dataSource)
        const traffic = await Traffic.on(town, { pause: 40 })
        const { visitor, uploaded, replaced, removed, saved, savedBehind } = traffic

        await moveByKilledRunners(town, traffic)
        await traffic.stop()
        expect(visitor.failures).toEqual([])
        const unread = [...before.keys()].filter(id => !visitor.seen.has(id) && !visitor.late.has(id))
        expect(unread.filter(id => !removed.has(id))).toEqual([])
        for (const ids of [uploaded, replaced, removed, saved, savedBehind])
          expect(ids.size).toBeGreaterThan(ROWS / 100)

        // No change is lost, and the bytes of every row are on Ceph.
        const arrived = await rawRows(dataSource)
        expect(namesIn(arrived)).toEqual(visitor.names)
        expect(backendsIn(arrived)).toEqual(new Set(['s3']))
        const lying = await objectsIn(bucket)
        for (const [key, object] of objectsOf(arrived)) expect(lying.get(key)).toBe(object)
        for (const [id, row] of before) {
          if (traffic.touched(id)) continue
          const text = JSON.stringify({ ...JSON.parse(row.text), backend: 's3' })
          expect(arrived.get(id)).toEqual({ ...row, text })
        }

        const back = await restorable(dataSource)
        const loaded = await deliveries.findBy([...back].slice(0, 200).map(id => ({ id })))
        const [report] = await Promise.all([
          rollbackFiles({ dataSource, entity: Delivery, to: 's3' }),
          visitor.readAll(),
        ])
        expect(report).toMatchObject({ restored: back.size, failed: 0 })
        expect(visitor.failures).toEqual([])
        const returned = await rawRows(dataSource)
        expect(returned.size).toBe(arrived.size)
        for (const [id, row] of returned) {
          const text = (back.has(id) ? before : arrived).get(id)?.text
          expect(row).toEqual({ ...arrived.get(id), text })
          if (back.has(id) && !traffic.touched(id)) expect(row).toEqual(before.get(id))
        }
        for (const delivery of loaded) await deliveries.save(Object.assign(delivery, { note: 'back again' }))
        const savedAgain = await deliveries.findBy(loaded.map(({ id }) => ({ id })))
        expect(savedAgain.map(({ file }) => file?.backend)).toEqual(loaded.map(() => 'local'))

        const runners = [Runner.mover(address), Runner.mover(address)]
        await visitor.readAll()
        const reports = await Promise.all(runners.map(runner => runner.report()))
        expect(reports.map(({ failed, skipped }) => failed + skipped)).toEqual([0, 0])
        expect(reports.reduce((sum, { moved }) => sum + moved, 0)).toBe(back.size)
        expect(visitor.failures).toEqual([])

        await timePasses(dataSource, 31)
        const pruned = await pruneFiles({ dataSource, entity: Delivery, to: 's3', keep: 30 })
        expect(pruned).toMatchObject({ skipped: 0, failed: 0 })
        await reaper.stop()
        await reapAfter(1, town)
        await reapAfter(2, town) // what was reaped is looked after once more
        const rows = await rawRows(dataSource)
        expect(namesIn(rows)).toEqual(visitor.names)
        const objects = objectsOf(rows)
        expect(await objectsIn(bucket)).toEqual(objects)
        expect(await listOpenUploads(bucket)).toEqual([])
        expect(await filesBelow(address.root)).toEqual([])
        const lines = await ledgerOf(dataSource)
        const places = lines.map(line => `${line.state} ${line.backend} ${line.object_key}`)
        expect(places.sort()).toEqual([...objects.keys()].map(key => `attached s3 ${key}`).sort())
        expect((await reconcile({ dataSource, grace: 0 })).findings).toEqual([])
      },
      30 * MINUTE,
    )
  })
})
