import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Application, describeWithApplication } from './application.js'
import { runInProcess } from './in-process.js'

describeWithApplication('tenant-files status', open => {
  let app: Application
  beforeAll(async () => {
    app = await open({ backends: ['local', 'spaces'] })
    await app.save('acme', 'one')
    await app.save('acme', 'three')
    await app.save('globex', 'two')
    await app.save('globex', 'never read')
    await app.dataSource.query(`UPDATE ticket SET attachment = 'rubbish' WHERE id = 4`)
    const args = ['migrate', 'Ticket', '--to', 'spaces', '--tenant', 'globex']
    await runInProcess({ folder: app.shop.folder, args })
  })
  afterAll(() => app.close())

  const run = (...args: string[]) => runInProcess({ folder: app.shop.folder, args: ['status', ...args] })

  test('shows where files lie', async () => {
    expect(await run()).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        'entity  property    tenant  backend  rows  files  bytes  plain',
        'Ticket  attachment  acme    local       2      2      8      0',
        'Ticket  attachment  globex  spaces      1      1      3      0',
        '',
        'local: 2 files, 8 bytes.',
        'spaces: 1 file, 3 bytes.',
        'Ticket.attachment: the text of 1 row names no file of this storage.',
        '',
      ].join('\n'),
    })
  })

  test('shows one entity and one tenant, as JSON', async () => {
    const { code, stdout } = await run('Ticket', '--property', 'attachment', '--tenant', 'globex', '--json')
    expect(code).toBe(0)
    const place = { entity: 'Ticket', property: 'attachment', tenant: 'globex', backend: 'spaces' }
    expect(JSON.parse(stdout)).toEqual({
      places: [{ ...place, rows: 1, files: 1, bytes: 3, plain: 0 }],
      unreadable: [],
    })
  })
})
