import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Application, describeWithApplication } from './application.js'
import { runInProcess } from './in-process.js'

const TWO = { backends: ['local', 'spaces'] }

describeWithApplication('tenant-files doctor', open => {
  let app: Application
  beforeEach(async () => {
    app = await open(TWO)
    await app.save('acme', 'one')
    await app.save('globex', 'two')
  })
  afterEach(() => app.close())

  const run = (...args: string[]) => runInProcess({ folder: app.shop.folder, args })

  test('says what keeps a phase from beginning, and ends with 1', async () => {
    const { code, stdout } = await run('doctor', '--phase', '2', '--to', 'spaces')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^ok +target +Stored, read and deleted a probe on "spaces" below media, public-media, static\.$/m,
    )
    expect(stdout).toMatch(/^failed +write-to +New files go to "local" still\. Set writeTo\.$/m)
    expect(stdout).toMatch(/\n\nPhase 2 should not begin: 1 of \d checks failed\.\n$/)
  })

  test('lets all phases begin, one after the other', async () => {
    const words = ['--to', 'spaces', '--from', 'local']
    expect((await run('doctor', '--phase', '1', ...words)).code).toBe(0)
    const set = ['-d', app.configure({ ...TWO, writeTo: 'spaces', environment: 'production' })]
    expect((await run('doctor', '--phase', '3', ...words, ...set)).code).toBe(0)
    expect((await run('doctor', '--phase', '4', ...words, ...set)).code).toBe(1)
    expect((await run('migrate', 'Ticket', ...words, ...set)).code).toBe(0)
    expect((await run('doctor', '--phase', '4', ...words, ...set)).code).toBe(0)
    const { code, stdout } = await run('doctor', 'Ticket', '--phase', '5', ...words, ...set, '--json')
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      report: { phase: 5, to: 'spaces', isSafe: true },
    })
    const states = JSON.parse(stdout).checks.map(({ check, state }: Record<string, string>) => [check, state])
    const names = [
      'environment',
      'target',
      'sources',
      'urls',
      'write-to',
      'old-paths',
      'ledger',
      'rows',
      'columns',
      'tables',
      'left',
      'journal',
      'reaper',
    ]
    expect(states).toEqual(names.map(name => [name, 'ok']))
  })

  test('says that the application would not start on the bucket of another environment', async () => {
    const words = ['doctor', '--phase', '2', '--to', 'spaces']
    const production = app.configure({ ...TWO, writeTo: 'spaces', environment: 'production' })
    expect((await run(...words, '-d', production)).code).toBe(0)
    const staging = app.configure({ ...TWO, writeTo: 'spaces', environment: 'staging' })
    const { code, stdout } = await run(...words, '-d', staging)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^failed +start +ERR_ENVIRONMENT_MISMATCH: .*"production".*"staging"/m)
  })
})
