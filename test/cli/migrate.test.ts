import { existsSync, rmSync } from 'node:fs'
import type { DataSource } from 'typeorm'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Application, describeWithApplication, type Ticket } from './application.js'
import { runInProcess } from './in-process.js'

const TWO = { backends: ['local', 'spaces'] }

describeWithApplication('tenant-files migrate', open => {
  let app: Application
  let tickets: Ticket[]
  beforeEach(async () => {
    app = await open(TWO)
    tickets = [
      await app.save('acme', 'one'),
      await app.save('globex', 'two'),
      await app.save('acme', 'three'),
    ]
  })
  afterEach(() => app.close())

  const run = (...args: string[]) => runInProcess({ folder: app.shop.folder, args })
  const backends = async () => {
    const rows: Ticket[] = await app.dataSource.getRepository<Ticket>('Ticket').find({ order: { id: 'ASC' } })
    return rows.map(({ attachment }) => attachment?.backend)
  }

  test('moves one customer, then all, and the rows go back with rollback', async () => {
    const plan = await run('migrate', 'Ticket', '--to', 'spaces', '--dry-run', '--json')
    expect({ code: plan.code, plans: JSON.parse(plan.stdout) }).toMatchObject({
      code: 0,
      plans: [{ entity: 'Ticket', to: 'spaces', rows: 3, files: 3, bytes: 11, failed: 0 }],
    })
    expect(await backends()).toEqual(['local', 'local', 'local'])

    const canary = await run(
      ...['migrate', 'Ticket', '--to', 'spaces', '--from', 'local', '--tenant', 'acme'],
      ...['--rate', '20mb/s', '--concurrency', '2', '--verify', 'read-back', '--property', 'attachment'],
    )
    expect(canary).toMatchObject({ code: 0, stderr: '' })
    expect(canary.stdout).toMatch(
      /^Ticket: 2 files moved to spaces \(8 bytes in \d+\.\d s\), 0 rows had changed meanwhile, 0 failed\.\n$/,
    )
    expect(await backends()).toEqual(['spaces', 'local', 'spaces'])

    const all = await run('migrate', '--all', '--to', 'spaces', '--json')
    expect({ code: all.code, reports: JSON.parse(all.stdout) }).toMatchObject({
      code: 0,
      reports: [{ entity: 'Ticket', to: 'spaces', moved: 1, failed: 0, failures: [], aborted: false }],
    })
    expect(await backends()).toEqual(['spaces', 'spaces', 'spaces'])

    const back = await run('rollback', 'Ticket', '--to', 'spaces', '--tenant', 'acme')
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(back.stdout).toContain('Ticket: 2 rows point to the old bytes again')
    expect(await backends()).toEqual(['local', 'spaces', 'local'])
    const rest = await run('rollback', '--all', '--to', 'spaces', '--json')
    expect(JSON.parse(rest.stdout)).toMatchObject([{ restored: 1, skipped: 0, failed: 0 }])
    expect(await backends()).toEqual(['local', 'local', 'local'])
  })

  test('names the rows that fail, moves the others, and ends with 1', async () => {
    rmSync(app.pathOf(tickets[1]!.attachment!))
    const plan = await run('migrate', 'Ticket', '--to', 'spaces', '--dry-run')
    expect(plan).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('1 would fail.\n  Ticket.attachment ["2"]: ERR_FILE_NOT_FOUND'),
    })
    const { code, stdout } = await run('migrate', 'Ticket', '--to', 'spaces')
    expect(code).toBe(1)
    expect(stdout).toContain('2 files moved')
    expect(stdout).toContain('1 failed.\n  Ticket.attachment ["2"]: ERR_FILE_NOT_FOUND ')
    expect(await backends()).toEqual(['spaces', 'local', 'spaces'])
  })

  test('leaves alone what names another tenant than its row, in the plan too', async () => {
    await app.dataSource.getRepository<Ticket>('Ticket').update({ id: 2 }, { tenantId: 'acme' })
    const args = ['migrate', 'Ticket', '--to', 'spaces', '--owner', 'tenantId']
    const plan = await run(...args, '--dry-run')
    expect(plan).toMatchObject({ code: 1, stdout: expect.stringContaining('["2"]: ERR_TENANT_MISMATCH') })
    const { code, stdout } = await run(...args)
    expect(code).toBe(1)
    expect(stdout).toContain('["2"]: ERR_TENANT_MISMATCH')
    expect(await backends()).toEqual(['spaces', 'local', 'spaces'])
    const unknown = await run('migrate', 'Ticket', '--to', 'spaces', '--owner', 'customer')
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Ticket has no plain column "customer"'),
    })
  })

  test('resumes only what was left off', async () => {
    const args = ['migrate', 'Ticket', '--to', 'spaces', '--resume']
    const never = await run(...args)
    expect(never).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('was left off') })
    expect((await run('migrate', 'Ticket', '--to', 'spaces')).code).toBe(0)
    expect((await run(...args)).code).toBe(2)
    // As a runner leaves it that was killed in the middle.
    await app.dataSource.query('UPDATE file_migration_cursor SET is_done = 0, last_id = NULL')
    expect((await run(...args, '--tenant', 'acme')).code).toBe(2)
    expect((await run(...args)).code).toBe(0)
    expect((await run(...args)).code).toBe(2)
  })

  test('gives up what was left behind once it is old enough, and not before', async () => {
    expect((await run('migrate', '--all', '--to', 'spaces')).code).toBe(0)
    const prune = ['prune', 'Ticket', '--to', 'spaces', '--keep']
    const short = await run(...prune, '3d')
    expect(short).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('at least 7') })
    const early = await run(...prune, '30d', '--json')
    expect(JSON.parse(early.stdout)).toMatchObject([{ entity: 'Ticket', to: 'spaces', pruned: 0, failed: 0 }])
    await app.dataSource.query(`UPDATE file_migration SET updated_at = updated_at - ${31 * 86_400_000}`)
    const { code, stdout } = await run(...prune, '720h')
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        'Ticket: the files that 3 rows left behind go to the reaper; those of 0 are still in use and stay, 0 failed.\n',
    })
    expect(tickets.map(({ attachment }) => existsSync(app.pathOf(attachment!)))).toEqual([true, true, true])
    expect((await run('reap')).code).toBe(0)
    expect(tickets.map(({ attachment }) => existsSync(app.pathOf(attachment!)))).toEqual([
      false,
      false,
      false,
    ])
  })

  test('shows how far it is to whoever watches', async () => {
    const args = ['migrate', '--all', '--to', 'spaces']
    const { code, stderr } = await runInProcess({ folder: app.shop.folder, args, isWatched: true })
    expect(code).toBe(0)
    expect(stderr).toContain('0/3 files')
    expect(stderr).toMatch(/100% \| 3\/3 files \| 11 bytes, \d+ bytes\/s, 0 failed/)
  })

  test('ends when it is told to, says how to go on, and goes on', async () => {
    const ctrlC = new AbortController()
    const { folder } = app.shop
    const words = ['migrate', 'Ticket', '--to', 'spaces']
    const run = runInProcess({ folder, args: [...words, '--rate', '1b'], signal: ctrlC.signal })
    await vi.waitUntil(async () => (await movingRows(app.dataSource)) === 3, { timeout: 20_000 })
    ctrlC.abort()
    const { code, stdout, stderr } = await run
    expect(code).toBe(1)
    expect(stdout).toMatch(/^Ticket: [012] files? moved/)
    expect(stderr).toContain('run the same command again to go on')
    expect(await backends()).toContain('local')
    expect((await runInProcess({ folder, args: [...words, '--resume'] })).code).toBe(0)
    expect(await backends()).toEqual(['spaces', 'spaces', 'spaces'])
  })
})

async function movingRows(dataSource: DataSource): Promise<number> {
  const sql = `SELECT COUNT(*) AS n FROM file_migration WHERE state = 'moving'`
  const [row] = await dataSource.query(sql).catch(() => [{ n: 0 }])
  return Number(row.n)
}
