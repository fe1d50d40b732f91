import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { inLanes } from '../../../src/core/in-lanes.js'
import { createStorage } from '../../../src/core/storage.js'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { reapOnce, reconcile } from '../../../src/typeorm/index.js'
import { describeWithPostgres, freshDatabase } from '../../support/postgres.js'
import { createBucket, describeWithS3, s3Client, s3Connection } from '../../support/s3.js'
import { house, upload } from '../databases.js'
import { ORDER_RULES, Order } from '../entities.js'

const FILES = 20_000
const EACH = 10
const TENANTS = ['acme', 'acme-corp', 'beta']
const MINUTES = 60_000
type File = ReturnType<typeof fileOf>

/** What a column says of the file with this number. */
function fileOf(i: number) {
  const name = `file ${i}`
  const tenant = TENANTS[i % TENANTS.length]
  const key = `order_files/${randomUUID()}.txt`
  return {
    v: 1,
    disk: 'media',
    backend: 'ceph',
    tenant,
    key,
    name,
    size: name.length,
    type: 'text/plain',
    sha256: null,
  }
}

const keyOf = ({ tenant, key }: File) => `media/${tenant}/${key}`
const TEXT = { contentType: 'text/plain' }

describeWithS3('reconcile on Ceph', () => {
  describeWithPostgres('and PostgreSQL', () => {
    it(
      `finds every fault among ${FILES} files while the application works, and invents none`,
      async () => {
        const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
        const bucket = await createBucket('reconcile')
        const credentials = { accessKeyId, secretAccessKey }
        const driver = new S3Driver({ bucket, endpoint, region, credentials, addressingStyle: 'path' })
        const storage = createStorage({ secret: randomUUID(), backends: { ceph: driver } })
        const fresh = async () => ({ type: 'postgres' as const, url: (await freshDatabase()).url })
        const home = await house(fresh, [Order], { storage, reap: 'after-commit' })
        const { dataSource } = home
        const repo = dataSource.getRepository(Order)
        const sql = (statement: string) => dataSource.query(statement)

        // As the pipeline and save() leave them, and faster.
        const files = Array.from({ length: FILES }, (_, i) => fileOf(i))
        await inLanes(files, 16, async file => {
          await driver.put(keyOf(file), Buffer.from(file.name), TEXT)
        })
        for (let start = 0; start < FILES; start += 1000) {
          const some = files.slice(start, start + 1000)
          const rows = some.map((file, i) => `(${start + i + 1}, '${JSON.stringify(file)}')`)
          await sql(`INSERT INTO "order" (id, file) VALUES ${rows.join(', ')}`)
          const lines = some.map(
            file =>
              `('ceph', '${keyOf(file)}', 'media', '${file.tenant}', 'attached', ${file.size}, 0, 0, 0)`,
          )
          await sql(`INSERT INTO file_ledger (backend, object_key, disk, tenant, state, size, attempts, created_at, updated_at)
            VALUES ${lines.join(', ')}`)
        }
        await sql(`SELECT setval(pg_get_serial_sequence('"order"', 'id'), ${FILES})`)
        const orders = files.map((file, i) => ({ id: i + 1, file }))

        const planted: string[] = []
        const plant = async (kind: string, harm: (order: (typeof orders)[number]) => Promise<unknown>) => {
          for (let i = 0; i < EACH; i++) {
            // Somewhere in the middle, never twice.
            const [order] = orders.splice((orders.length * (i + 1)) / (EACH + 2), 1)
            if (order === undefined) throw new Error('there are too few files')
            await harm(order)
            planted.push(`${kind} ${keyOf(order.file)}`)
          }
        }
        const forget = (file: File) => sql(`DELETE FROM file_ledger WHERE object_key = '${keyOf(file)}'`)
        await plant('dangling', ({ file }) => driver.delete(keyOf(file)))
        await plant('row-without-line', ({ file }) => forget(file))
        await plant('line-without-row', ({ id }) => sql(`DELETE FROM "order" WHERE id = ${id}`))
        await plant('line-without-object', async ({ id, file }) => {
          await sql(`DELETE FROM "order" WHERE id = ${id}`)
          await driver.delete(keyOf(file))
        })
        await plant('orphan', async ({ id, file }) => {
          await sql(`DELETE FROM "order" WHERE id = ${id}`)
          await forget(file)
        })
        await plant('size-differs', ({ file }) => driver.put(keyOf(file), Buffer.from('cut'), TEXT))
        await plant('two-rows', ({ file }) =>
          sql(`INSERT INTO "order" (file) VALUES ('${JSON.stringify(file)}')`),
        )
        await plant('row-unclaimed', ({ file }) =>
          sql(`UPDATE file_ledger SET state = 'kept' WHERE object_key = '${keyOf(file)}'`),
        )
        await plant('wrong-tenant', ({ file }) =>
          sql(`UPDATE file_ledger SET tenant = 'nobody' WHERE object_key = '${keyOf(file)}'`),
        )
        await driver.put('media/_odd/key', Buffer.from('odd'), TEXT)
        planted.push('unknown-key media/_odd/key')
        const left = `media/acme/order_files/${randomUUID()}.bin`
        await s3Client().send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: left }))
        planted.push(`open-upload ${left}`)
        await sleep(1100) // Ceph's times have no milliseconds

        let isOver = false
        const work = async (tenant: string) => {
          while (!isOver) {
            const order = await repo.save(repo.create({ file: await upload(home, ORDER_RULES, { tenant }) }))
            order.file = await upload(home, ORDER_RULES, { tenant })
            await repo.save(order)
            if (Math.random() < 0.5) await repo.remove(order)
            await reapOnce(storage)
          }
        }
        const workers = TENANTS.map(work)
        const report = await reconcile({ dataSource, grace: 0 })
        isOver = true
        await Promise.all(workers)

        const found = report.findings.map(({ kind, objectKey }) => `${kind} ${objectKey}`)
        expect(found.sort()).toEqual(planted.sort())
        expect(report.compared.files).toBeGreaterThan(FILES - 5 * EACH)

        // What can be mended is; what is left is for people.
        const mending = await reconcile({ dataSource, grace: 0, fix: 'all' })
        expect(mending.mended).toBe(5 * EACH)
        await reapOnce(storage)
        const { counts } = await reconcile({ dataSource, grace: 0 })
        expect(Object.entries(counts).filter(([, count]) => count > 0)).toEqual([
          ['dangling', EACH],
          ['size-differs', EACH],
          ['two-rows', EACH],
          ['wrong-tenant', EACH],
          ['unknown-key', 1],
          ['open-upload', 1],
        ])
      },
      15 * MINUTES,
    )
  })
})
