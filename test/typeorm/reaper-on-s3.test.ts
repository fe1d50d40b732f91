import { randomUUID } from 'node:crypto'
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { reapOnce } from '../../src/typeorm/index.js'
import {
  createBucket,
  describeWithS3,
  listAllKeys,
  listOpenUploads,
  s3Client,
  s3Connection,
} from '../support/s3.js'
import { sqliteOptions } from '../support/sqlite.js'
import { house, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'

describeWithS3('the reaper on S3', () => {
  const open = async () => {
    const bucket = await createBucket('reaper')
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    const driver = new S3Driver({ bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey } })
    const home = await house(async () => sqliteOptions(), [Order], { storage: memoryStorage({ s3: driver }) })
    const passTime = () =>
      home.dataSource.query('UPDATE file_ledger SET expires_at = 1 WHERE expires_at IS NOT NULL')
    return { ...home, bucket, passTime, orders: home.dataSource.getRepository(Order) }
  }

  it('deletes what was removed, and leaves the rest', async () => {
    const { orders, bucket, ...home } = await open()
    const live = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    for (let count = 0; count < 5; count++)
      await orders.remove(await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) }))
    expect(await reapOnce(home.storage, { batchSize: 2 })).toMatchObject({ taken: 5, deleted: 5 })
    expect(await listAllKeys(bucket)).toEqual([`media/acme/${live.file?.key}`])
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('ends the uploads of processes that died, whether their id was noted or not', async () => {
    const { storage, bucket, passTime, dataSource } = await open()
    const begin = async (isNoted: boolean) => {
      const objectKey = `media/acme/order_files/${randomUUID()}.bin`
      const entry = { backend: 's3', objectKey, disk: 'media', tenant: 'acme' }
      const staged = await storage.ledgers.of('acme').stage(entry)
      const { UploadId } = await s3Client().send(
        new CreateMultipartUploadCommand({ Bucket: bucket, Key: objectKey }),
      )
      if (isNoted) await staged.recordMultipart(UploadId!)
      staged.leave()
      return objectKey
    }
    await begin(true)
    await begin(false)
    await passTime()
    const running = await begin(false) // whose lease is not over
    expect(await listOpenUploads(bucket)).toHaveLength(3)
    await reapOnce(storage)
    expect((await listOpenUploads(bucket)).map(({ key }) => key)).toEqual([running])
    expect(await states(dataSource)).toEqual({ reaped: 2, pending: 1 })
  })
})
