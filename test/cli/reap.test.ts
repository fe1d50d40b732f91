import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { states } from '../typeorm/databases.js'
import { type Application, describeWithApplication } from './application.js'
import { runInProcess } from './in-process.js'

describeWithApplication('tenant-files reap', open => {
  let app: Application
  beforeEach(async () => {
    app = await open()
  })
  afterEach(() => app.close())

  test('deletes the files of removed rows, and leaves all others', async () => {
    const kept = await app.save('acme')
    const removed = await app.save('globex')
    await app.remove(removed)
    const { code, stdout } = await app.shop.run('reap')
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: '1 deleted, 0 failed. 0 are still due, 0 are dead.\n',
    })
    expect(existsSync(app.pathOf(removed.attachment!))).toBe(false)
    expect(existsSync(app.pathOf(kept.attachment!))).toBe(true)
    expect(await states(app.dataSource)).toEqual({ attached: 1 })
  })

  test('takes up no more than its limit', async () => {
    for (let i = 0; i < 3; i++) await app.remove(await app.save('acme'))
    const args = ['reap', '--limit', '2', '--json']
    const { code, stdout } = await runInProcess({ folder: app.shop.folder, args })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ taken: 2, deleted: 2, failed: 0, due: 1, dead: 0 })
  })

  test('fails while a file cannot be deleted, says why, and tries dead ones again when it is asked to', async () => {
    const ticket = await app.save('acme')
    await app.remove(ticket)
    const another = app.configure({})
    app.shop.write(
      'denied.mjs',
      `
import { StorageError } from 'tenant-files'
import { dataSource, driver } from './${another}'
driver.delete = async () => {
  throw new StorageError('ERR_ACCESS_DENIED', 'No permission to delete.')
}
export { dataSource }`,
    )
    const failed = await app.shop.run('reap', '-d', 'denied.mjs', '--max-attempts', '1')
    expect(failed).toMatchObject({ code: 1, stdout: '0 deleted, 1 failed. 0 are still due, 1 are dead.\n' })
    expect(failed.stderr).toMatch(/^local: media\/acme\/tickets\/.* cannot be deleted: No permission/)
    expect((await app.shop.run('reap')).code).toBe(1)

    expect(await app.shop.run('ledger', 'retry', '--json')).toMatchObject({
      code: 0,
      stdout: '{\n  "retried": 1\n}\n',
    })
    expect((await app.shop.run('reap')).code).toBe(0)
    expect(await states(app.dataSource)).toEqual({})
  })

  test('ends in order at Ctrl-C: what it has not done is left to the next one', async () => {
    for (let i = 0; i < 4; i++) await app.remove(await app.save('acme'))
    app.shop.write(
      'slow.mjs',
      `
import { setTimeout as sleep } from 'node:timers/promises'
import { dataSource, driver } from './data-source.mjs'
const remove = driver.delete.bind(driver)
driver.delete = async (...args) => {
  console.error('deleting')
  await sleep(500)
  return remove(...args)
}
export { dataSource }`,
    )
    const { code, stdout } = await app.shop.interrupt(
      'deleting',
      ...['reap', '-d', 'slow.mjs', '--batch-size', '1', '--json'],
    )
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toEqual({ taken: 1, deleted: 1, failed: 0, due: 3, dead: 0 })
  })
})
