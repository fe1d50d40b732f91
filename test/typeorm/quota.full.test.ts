import { expect, it } from 'vitest'
import { sqliteOptions } from '../support/sqlite.js'
import { house, ledgerOf, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'

it('waits for a quota that nobody tells, and not for ever', async () => {
  const mute = await house(async () => sqliteOptions(), [Order], { quota: () => new Promise(() => {}) })
  await expect(upload(mute, ORDER_RULES)).rejects.toMatchObject({ code: 'ERR_QUOTA_UNKNOWN', status: 503 })
  expect(await ledgerOf(mute.dataSource)).toEqual([])
})
