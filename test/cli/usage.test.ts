import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Application, describeWithApplication } from './application.js'

describeWithApplication('tenant-files usage', open => {
  let app: Application
  beforeAll(async () => {
    app = await open()
    await app.save('globex', 'hello')
    await app.save('acme', 'hello')
    await app.upload('acme', 'unsaved')
  })
  afterAll(() => app.close())

  test('shows what each tenant has', async () => {
    const { code, stdout } = await app.shop.run('usage')
    expect(code).toBe(0)
    expect(stdout).toBe(
      [
        'tenant  files  used      quota       left',
        'acme        1    12  1,048,576  1,048,564',
        'globex      1     5  1,048,576  1,048,571',
        '',
      ].join('\n'),
    )
  })

  test('shows those that are named, as JSON by disk and state', async () => {
    const { code, stdout } = await app.shop.run('usage', 'acme', 'nobody', '--json')
    expect(code).toBe(0)
    const disk = 'media'
    expect(JSON.parse(stdout)).toEqual([
      {
        ...{ tenant: 'acme', used: 12, quota: 1_048_576, left: 1_048_564 },
        parts: [
          { disk, state: 'attached', files: 1, bytes: 5 },
          { disk, state: 'pending', files: 1, bytes: 7 },
        ],
      },
      { tenant: 'nobody', used: 0, quota: 1_048_576, left: 1_048_576, parts: [] },
    ])
  })
})
