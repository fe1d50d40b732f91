import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Application, describeWithApplication } from './application.js'

describeWithApplication('tenant-files ledger status', open => {
  let app: Application
  beforeAll(async () => {
    app = await open()
    await app.save('acme', 'hello')
    await app.save('globex', 'hello you')
    await app.upload('acme', 'unsaved')
    await app.remove(await app.save('acme', 'gone'))
  })
  afterAll(() => app.close())

  test('counts files and bytes by backend and state, and what is due', async () => {
    const { code, stdout } = await app.shop.run('ledger', 'status', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      parts: [
        { backend: 'local', state: 'attached', files: 2, bytes: 14 },
        { backend: 'local', state: 'delete', files: 1, bytes: 4 },
        { backend: 'local', state: 'pending', files: 1, bytes: 7 },
      ],
      due: 1,
      oldestDue: expect.any(Number),
      dead: 0,
    })
  })

  test('shows it as a table', async () => {
    const { code, stdout } = await app.shop.run('ledger', 'status')
    expect(code).toBe(0)
    expect(stdout).toContain('backend  state     files  bytes\nlocal    attached      2     14\n')
    expect(stdout).toMatch(/1 are due, the first since \d+ seconds\. 0 are dead\.\n$/)
  })
})
