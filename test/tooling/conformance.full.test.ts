import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { driverCases } from '../../src/testing/index.js'
import { rooms, root, runTool, tempFolder } from './tools.js'

const drivers = rooms().flatMap(room => {
  const [, name] = room.split('/')
  return name && existsSync(path.join(root, 'src', room, `${name}-driver.ts`)) ? [name] : []
})
/** What these two do not do is not counted as tested. */
const WITHOUT_SIGNED_URLS = ['local', 'memory']
/** Spaces runs the same code on the same server as S3. */
const IN_FULL_SUITE_ONLY = ['spaces']

// What vitest itself would run: a driver, a scope or a case that nobody runs is missing in its list.
describe('the promises of every driver', () => {
  let listed: { name: string; file: string }[]
  beforeAll(async () => {
    const { folder, remove } = tempFolder('list')
    const file = path.join(folder, 'list.json')
    const args = ['list', `--json=${file}`, '/conformance.']
    const whole = { TEST_FULL: '1', TEST_MATRIX: '', TEST_REST: '' }
    const { code, stderr } = await runTool('vitest', 'vitest', args, root, whole)
    expect(code, stderr).toBe(0)
    listed = JSON.parse(readFileSync(file, 'utf8'))
    remove()
  })

  test('are asked of six drivers', () => {
    expect(drivers).toEqual(['azure', 'gcs', 'local', 'memory', 's3', 'spaces'])
  })

  test.each(drivers.flatMap(driver => ['bare', 'scoped'].map(scope => [driver, scope])))(
    'are all asked of %s, %s',
    (driver, scope) => {
      const wanted = driverCases.filter(
        ({ needs }) => needs !== 'signedUrls' || !WITHOUT_SIGNED_URLS.includes(driver ?? ''),
      )
      const suffix = IN_FULL_SUITE_ONLY.includes(driver ?? '') ? '.full.test.ts' : '.test.ts'
      const own = listed.flatMap(({ name, file }) => {
        const isOwn =
          path.relative(root, file) === path.join('test/drivers', driver ?? '', `conformance${suffix}`)
        const [, kind, sentence] = /\b(bare|scoped) > (.+)$/.exec(name) ?? []
        return isOwn && kind === scope ? [sentence] : []
      })
      expect(wanted.map(({ name }) => name).filter(name => !own.includes(name))).toEqual([])
    },
  )
})
