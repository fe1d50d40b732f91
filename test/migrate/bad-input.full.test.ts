import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import type { GetOptions, GetResult } from '../../src/core/driver.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles } from '../../src/migrate/index.js'
import { ChaosDriver, type ChaosFault, type ChaosRule } from '../../src/testing/index.js'
import { rulesOf } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { tempDir } from '../support/temp-dir.js'
import { upload } from '../typeorm/databases.js'
import { describeOnDatabases } from '../typeorm/on-databases.js'
import { journalOf, linesOf, Parcel, readText, textsOf, town } from './town.js'

const LARGE = 2 * 1024 * 1024

/** Does something to a file between its opening and its reading. */
class TamperedDriver extends LocalDriver {
  onOpen: (key: string) => void = () => {}

  override async get(key: string, options?: GetOptions): Promise<GetResult> {
    const result = await super.get(key, options)
    this.onOpen(key)
    return result
  }
}

describeOnDatabases('migrateFiles, where something is wrong with one file,', fresh => {
  const keysOf = async (home: Awaited<ReturnType<typeof town>>) =>
    (await textsOf(home.dataSource)).map(text => `media/${JSON.parse(text).tenant}/${JSON.parse(text).key}`)
  const move = ({ dataSource }: Pick<Awaited<ReturnType<typeof town>>, 'dataSource'>) =>
    migrateFiles({ dataSource, entity: Parcel, to: 'new' })

  /** Three rows, of which only the second is ill: the others move, and that one is as it was. */
  async function expectOnlySecondFails(home: Awaited<ReturnType<typeof town>>, code: unknown) {
    const [, text] = await textsOf(home.dataSource)
    const [, key] = await keysOf(home).catch(() => [])
    const report = await move(home)
    expect(report).toMatchObject({ moved: 2, failed: 1, skipped: 0, aborted: false })
    expect(report.failures).toMatchObject([{ row: '["2"]', code, property: 'file', entity: 'Parcel' }])
    expect((await textsOf(home.dataSource))[1]).toBe(text)
    expect((await journalOf(home.dataSource)).map(([state]) => state).sort()).toEqual([
      'failed',
      'moved',
      'moved',
    ])
    const there = await keysIn(home.backends.new.list(''))
    expect(there).toHaveLength(2)
    expect(there).not.toContain(key)
    expect(await linesOf(home.dataSource)).toMatchObject({ 'new attached': 2, 'old kept': 2 })
  }

  it.each([
    ['is empty', ''],
    ['was cut off', 'parc'],
    ['has as many other bytes', 'parcel X'],
  ])('reports a source that %s', async (_, body) => {
    const home = await town(fresh, 3)
    const [, key = ''] = await keysOf(home)
    await home.backends.old.put(key, Buffer.from(body), { contentType: 'text/plain' })
    await expectOnlySecondFails(home, 'ERR_FILE_CHANGED')
  })

  it.each([
    ['a folder', 'ERR_FILE_NOT_FOUND', (file: string) => mkdirSync(file)],
    ['a link that leads out', 'ERR_KEY_INVALID', (file: string) => symlinkSync('/etc/passwd', file)],
  ])('reports %s that lies in the place of a source', async (_, code, make) => {
    const root = await tempDir()
    const home = await town(fresh, 3, { old: new LocalDriver({ root }), new: new MemoryDriver() })
    const [, key = ''] = await keysOf(home)
    const file = path.join(root, key)
    rmSync(file)
    make(file)
    await expectOnlySecondFails(home, code)
  })

  /** The second source is a large one, on a local disk. */
  async function withLargeFile() {
    const root = await tempDir()
    const driver = new TamperedDriver({ root })
    const home = await town(fresh, 1, { old: driver, new: new MemoryDriver() })
    for (const body of ['a'.repeat(LARGE), 'parcel 2']) {
      const file = await upload(home, rulesOf(Parcel, 'file'), { body })
      await home.parcels.save(home.parcels.create({ file, owner: 'acme' }))
    }
    const [, key = ''] = await keysOf(home)
    const onOpen = (tamper: (file: string) => void) => {
      driver.onOpen = opened => {
        if (opened === key) tamper(path.join(root, key))
      }
    }
    return { home, onOpen }
  }

  it('reports a source that is written anew while it is read', async () => {
    const { home, onOpen } = await withLargeFile()
    onOpen(file => writeFileSync(file, 'b'.repeat(LARGE), { flag: 'r+' }))
    await expectOnlySecondFails(home, 'ERR_FILE_CHANGED')
  })

  it('reports a source that is cut off while it is read', async () => {
    const { home, onOpen } = await withLargeFile()
    onOpen(file => truncateSync(file, 1000))
    await expectOnlySecondFails(home, expect.stringMatching(/^ERR_(BACKEND|FILE_CHANGED)$/))
  })

  /** Every call of a kind for the second row's file meets a fault, until there is calm. */
  async function withFault(method: ChaosRule['method'], fault: ChaosFault, side: 'old' | 'new') {
    let ill = ''
    const chaos = new ChaosDriver(new MemoryDriver(), { rules: [{ method, fault, key: key => key === ill }] })
    const home = await town(fresh, 3, { old: new MemoryDriver(), new: new MemoryDriver(), [side]: chaos })
    ill = (await keysOf(home))[1] ?? ''
    return { home, chaos }
  }

  it.each([
    ['may not be read', 'get', { kind: 'error', code: 'ERR_BACKEND_DENIED' }, 'old', 'ERR_BACKEND_DENIED'],
    ['breaks off', 'get', { kind: 'cut', after: 4 }, 'old', 'ERR_BACKEND'],
    ['ends early', 'get', { kind: 'short', after: 4 }, 'old', 'ERR_FILE_CHANGED'],
    ['finds no room', 'put', { kind: 'error', code: 'ERR_DISK_FULL' }, 'new', 'ERR_DISK_FULL'],
    [
      'is denied its new place',
      'put',
      { kind: 'error', code: 'ERR_BACKEND_DENIED' },
      'new',
      'ERR_BACKEND_DENIED',
    ],
    ['gets no answer', 'put', { kind: 'hang', ms: 20 }, 'new', 'ERR_BACKEND_TIMEOUT'],
  ] as const)(
    'reports one that %s, and moves it once that is mended',
    async (_, method, fault, side, code) => {
      const { home, chaos } = await withFault(method, fault, side)
      await expectOnlySecondFails(home, code)
      chaos.calm()
      expect(await move(home)).toMatchObject({ moved: 1, failed: 0 })
      expect(await linesOf(home.dataSource)).toEqual({ 'new attached': 3, 'old kept': 3 })
      for (const { file } of await home.parcels.find()) expect(await readText(file)).toMatch(/^parcel/)
    },
  )

  it('leaves a copy that could not be read back: another runner may have switched the row to it', async () => {
    const { home, chaos } = await withFault('get', { kind: 'hang', ms: 20 }, 'new')
    const options = { dataSource: home.dataSource, entity: Parcel, to: 'new', verify: 'read-back' } as const
    expect(await migrateFiles(options)).toMatchObject({
      moved: 2,
      failures: [{ code: 'ERR_BACKEND_TIMEOUT' }],
    })
    expect(await keysIn(home.backends.new.list(''))).toHaveLength(3)
    chaos.calm()
    expect(await migrateFiles(options)).toMatchObject({ moved: 1, failed: 0 })
  })

  it('takes the copy whose answer got lost for its own at the next run', async () => {
    const { home, chaos } = await withFault('put', { kind: 'lose' }, 'new')
    expect(await move(home)).toMatchObject({ moved: 2, failures: [{ code: 'ERR_BACKEND_TIMEOUT' }] })
    chaos.calm()
    expect(await move(home)).toMatchObject({ moved: 1, failed: 0 })
    expect(await linesOf(home.dataSource)).toEqual({ 'new attached': 3, 'old kept': 3 })
  })

  it.each([
    ['no tenant', { tenant: null }],
    ['a tenant that can be none', { tenant: '../globex' }],
    ['the tenant of everybody', { tenant: 'shared' }],
    ['a key that climbs', { key: '../../globex/secret.txt' }],
    ['an absolute key', { key: '/etc/passwd' }],
    ['a disk that there is not', { disk: 'elsewhere' }],
    ['a backend that there is not', { backend: 'elsewhere' }],
    ['a version that is not known yet', { v: 2 }],
    ['no size', { size: 'large' }],
  ])('reports a row whose text names %s', async (_, change) => {
    const home = await town(fresh, 3)
    const [, text = ''] = await textsOf(home.dataSource)
    const changed = JSON.stringify({ ...JSON.parse(text), ...change })
    await home.dataSource.query(`UPDATE parcel SET file = '${changed}' WHERE id = 2`)
    await expectOnlySecondFails(
      home,
      expect.stringMatching(/^ERR_(BACKEND_UNKNOWN|DISK_UNKNOWN|TENANT_(REQUIRED|INVALID)|KEY_INVALID)$/),
    )
  })

  it.each([
    ['broken JSON', '{"v":1,'],
    ['a list', '[]'],
    ['a number', '42'],
  ])('reports a row whose text is %s', async (_, text) => {
    const home = await town(fresh, 3)
    await home.dataSource.query(`UPDATE parcel SET file = '${text}' WHERE id = 2`)
    await expectOnlySecondFails(home, 'ERR_BACKEND_UNKNOWN')
  })

  it.each([
    ['says another as', () => 'initech', 'ERR_TENANT_MISMATCH'],
    ['does not know', () => null, 'ERR_TENANT_MISMATCH'],
    [
      'cannot find',
      () => {
        throw new TypeError('no such customer')
      },
      'ERR_TENANT_MISMATCH',
    ],
  ])('reports a row of which the application %s the tenant', async (_, tenantOf, code) => {
    const { dataSource } = await town(fresh, 3)
    const report = await migrateFiles({
      ...{ dataSource, entity: Parcel, to: 'new' },
      tenantOf: row => (row.id === 2 ? tenantOf() : row.owner),
    })
    expect(report).toMatchObject({ moved: 2, failed: 1, failures: [{ row: '["2"]', code }] })
  })
})
