import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Application, describeWithApplication } from './application.js'

const ROWS = 6
const TWO = { backends: ['local', 'spaces'] }

describeWithApplication('tenant-files migrate in a process of its own', open => {
  let app: Application
  beforeEach(async () => {
    app = await open(TWO)
    for (let n = 0; n < ROWS; n++) await app.save('acme', `file ${n}`)
    app.shop.write(
      'slow.mjs',
      `
import { setTimeout as sleep } from 'node:timers/promises'
import { dataSource, driver } from './data-source.mjs'
const get = driver.get.bind(driver)
driver.get = async (...args) => {
  console.error('reading')
  await sleep(500)
  return get(...args)
}
export { dataSource }`,
    )
  })
  afterEach(() => app.close())

  test('ends in order at Ctrl-C, and the next run goes on', { timeout: 120_000 }, async () => {
    const words = ['migrate', 'Ticket', '--to', 'spaces']
    const stopped = await app.shop.interrupt(
      'reading',
      ...words,
      '-d',
      'slow.mjs',
      '--concurrency',
      '1',
      '--json',
    )
    expect(stopped.code).toBe(1)
    expect(stopped.stderr).toContain('run the same command again to go on')
    const [report] = JSON.parse(stopped.stdout)
    expect(report).toMatchObject({ failed: 0, aborted: true })
    expect(report.moved).toBeLessThan(ROWS)
    const resumed = await app.shop.run(...words, '--resume', '--json')
    expect(resumed).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(resumed.stdout)).toMatchObject([
      { moved: ROWS - report.moved, failed: 0, aborted: false },
    ])
    const status = await app.shop.run('status', '--json')
    expect(JSON.parse(status.stdout)).toMatchObject({ places: [{ backend: 'spaces', rows: ROWS }] })
  })

  test('says that the target cannot be reached, and leaves the rows', { timeout: 120_000 }, async () => {
    const set = ['--to', 'away', '-d', app.configure({ ...TWO, away: 'away' })]
    const doctor = await app.shop.run('doctor', '--phase', '1', ...set)
    expect(doctor).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^failed +target +ERR_BACKEND: /m),
    })
    const { code, stdout } = await app.shop.run('migrate', 'Ticket', ...set, '--json')
    expect({ code, reports: JSON.parse(stdout) }).toMatchObject({
      code: 1,
      reports: [{ moved: 0, failed: ROWS }],
    })
    const status = await app.shop.run('status', '--json')
    expect(JSON.parse(status.stdout)).toMatchObject({ places: [{ backend: 'local', rows: ROWS }] })
  })
})
