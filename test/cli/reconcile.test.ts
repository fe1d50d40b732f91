import { existsSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { states } from '../typeorm/databases.js'
import { type Application, describeWithApplication } from './application.js'
import { workshop } from './command-line.js'
import { runInProcess } from './in-process.js'

describeWithApplication('tenant-files reconcile', open => {
  let app: Application
  beforeEach(async () => {
    app = await open()
  })
  afterEach(() => app.close())

  const run = (...args: string[]) => runInProcess({ folder: app.shop.folder, args })

  test('says that nothing is wrong, and ends with 0', async () => {
    await app.save('acme')
    const { code, stdout } = await app.shop.run('reconcile', '--check', 'bytes')
    expect(code).toBe(0)
    expect(stdout).toContain('Read the bytes of 1 objects.\n')
    expect(stdout).toContain('Nothing is wrong.\n')
  })

  test('ends with 1 for what is wrong, changes nothing, and counts by tenant', async () => {
    const { attachment } = await app.save('acme')
    await app.save('globex')
    rmSync(app.pathOf(attachment!))
    const { code, stdout } = await run('reconcile', '--tenant', 'acme', '--json')
    expect(code).toBe(1)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ fix: 'report', counts: { dangling: 1 } })
    expect(report.findings).toMatchObject([{ kind: 'dangling', tenant: 'acme', rows: [{ id: { id: '1' } }] }])
    expect((await run('reconcile', '--tenant', 'globex')).code).toBe(0)
  })

  test('mends what it is told to, and ends with 0 when nothing is left', async () => {
    const ticket = await app.save('acme')
    await app.dataSource.query('DELETE FROM ticket')
    const args = ['reconcile', '--grace', '0', '--json']
    expect((await run(...args)).code).toBe(1)
    expect((await run(...args, '--fix', 'attach')).code).toBe(1)
    expect(await states(app.dataSource)).toEqual({ attached: 1 })

    const { code, stdout } = await run(...args, '--fix', 'all')
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      report: { fix: 'all', mended: 1, counts: { 'line-without-row': 1 } },
    })
    expect((await run('reap')).code).toBe(0)
    expect(existsSync(app.pathOf(ticket.attachment!))).toBe(false)
  })

  test('compares the owner of a row, and shows as many findings as it is told to', async () => {
    await app.save('acme')
    await app.dataSource.query(`UPDATE ticket SET ${app.dataSource.driver.escape('tenantId')} = 'globex'`)
    const { code, stdout } = await run(
      ...['reconcile', '--owner', 'Ticket=tenantId', '--entity', 'Ticket', '--backend', 'local'],
      ...['--max-findings', '0', '--json'],
    )
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 1,
      report: { counts: { 'wrong-tenant': 1 }, findings: [] },
    })
  })

  test('refuses what makes no sense with 2', async () => {
    const unknown = await run('reconcile', '--entity', 'Tickte')
    expect(unknown).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Tickte') })
    const both = await run('reconcile', '--tenant', 'acme', '--prefix', 'media/acme/')
    expect(both).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('ERR_CONFIG') })
  })
})

test.each([
  [['--fix', 'some'], 'Allowed choices are report, attach, all'],
  [['--grace', '-1'], 'It is a whole number'],
  [['--owner', 'Ticket'], 'a name and a value'],
])('tenant-files reconcile refuses %j with 2', async (args, message) => {
  const shop = workshop()
  const { code, stdout, stderr } = await runInProcess({ folder: shop.folder, args: ['reconcile', ...args] })
  shop.remove()
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
})
