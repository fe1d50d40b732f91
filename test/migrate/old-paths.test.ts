import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { FileColumn } from '../../src/typeorm/index.js'
import { house, memoryStorage } from '../typeorm/databases.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { linesOf, readText, textsOf } from './town.js'

@Entity('paper')
class Paper {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', default: '' })
  owner!: string

  @FileColumn({
    folder: 'papers',
    // uploads/acme/2019/report.pdf
    legacy: value => {
      const [, tenant = '', ...path] = value.split('/')
      return { tenant, key: path.join('/'), name: path.at(-1) ?? 'file', backend: 'old' }
    },
  })
  file!: StoredFile | null
}

const HOSTILE = [
  'uploads/acme/../globex/secret.txt',
  'uploads/../../etc/passwd',
  '/etc/passwd', // which the reader above takes for the file "passwd" of a customer "etc"
  'uploads/acme//secret.txt',
  'uploads/acme/a\\..\\b',
  'uploads/no such tenant/a.txt',
]

describeOnSqliteFirst('migrateFiles on a column of old paths', fresh => {
  async function office(paths: readonly string[]) {
    const backends = { new: new MemoryDriver(), old: new MemoryDriver() }
    const home = await house(fresh, [Paper], { storage: memoryStorage(backends) })
    for (const path of paths)
      await home.dataSource.query(
        `INSERT INTO paper (owner, file) VALUES ('acme', '${path.replaceAll('\\', home.dataSource.options.type === 'mariadb' ? '\\\\' : '\\')}')`,
      )
    return { ...home, backends, papers: home.dataSource.getRepository(Paper) }
  }
  const put = (driver: MemoryDriver, key: string, body: string) =>
    driver.put(key, Buffer.from(body), { contentType: 'application/octet-stream' })

  it('writes what it finds in the bytes, and the old path again when it is taken back', async () => {
    const paths = ['uploads/acme/2019/report.csv', 'uploads/acme/page.html', '']
    const { backends, dataSource, papers } = await office(paths)
    await put(backends.old, 'media/acme/2019/report.csv', 'a;b')
    await put(backends.old, 'media/acme/page.html', '<!doctype html><script>1</script>')
    const loaded = await papers.find({ order: { id: 'ASC' } })
    expect(await readText(loaded[0]?.file)).toBe('a;b')
    const report = await migrateFiles({ dataSource, entity: Paper, to: 'new' })
    expect(report).toMatchObject({ rows: 3, moved: 2, failed: 0 })
    const [csv, page] = await papers.find({ order: { id: 'ASC' } })
    expect(csv?.file).toMatchObject({
      backend: 'new',
      tenant: 'acme',
      key: '2019/report.csv',
      name: 'report.csv',
    })
    expect(csv?.file).toMatchObject({
      size: 3,
      type: 'text/csv',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(await readText(csv?.file)).toBe('a;b')
    // What a browser would run is kept as a new upload would be.
    expect(page?.file?.type).toBe('text/html')
    expect(await backends.new.head('media/acme/page.html')).toMatchObject({
      contentDisposition: expect.stringMatching(/^attachment/),
    })
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 2, 'old kept': 2 })
    await rollbackFiles({ dataSource, entity: Paper, to: 'new' })
    expect(await textsOf(dataSource, 'paper')).toEqual(paths)
    expect(await linesOf(dataSource)).toEqual({ 'new kept': 2, 'old attached': 2 })
  })

  it('moves an old file without bytes', async () => {
    const { backends, dataSource, papers } = await office(['uploads/acme/empty.txt'])
    await put(backends.old, 'media/acme/empty.txt', '')
    expect(await migrateFiles({ dataSource, entity: Paper, to: 'new' })).toMatchObject({
      moved: 1,
      failed: 0,
    })
    const { file } = await papers.findOneByOrFail({ id: 1 })
    expect(file).toMatchObject({ backend: 'new', size: 0 })
    expect(await readText(file)).toBe('')
  })

  it('stays on the new backend when an entity is saved that was loaded with its path', async () => {
    const { backends, dataSource, papers } = await office(['uploads/acme/a.txt'])
    await put(backends.old, 'media/acme/a.txt', 'hello')
    const loaded = await papers.findOneByOrFail({ id: 1 })
    await migrateFiles({ dataSource, entity: Paper, to: 'new' })
    await papers.save(Object.assign(loaded, { owner: 'globex' }))
    const after = await papers.findOneByOrFail({ id: 1 })
    expect(after).toMatchObject({ owner: 'globex', file: { backend: 'new' } })
    expect(await readText(after.file)).toBe('hello')
  })

  it('touches no path that is hostile, and says which rows hold one', async () => {
    const { backends, dataSource } = await office([...HOSTILE, 'uploads/acme/good.txt'])
    await put(backends.old, 'media/acme/good.txt', 'good')
    await put(backends.old, 'media/globex/secret.txt', 'secret')
    const report = await migrateFiles({ dataSource, entity: Paper, to: 'new' })
    expect(report).toMatchObject({ moved: 1, failed: HOSTILE.length, aborted: false })
    expect(new Set(report.failures.map(({ code }) => code))).toEqual(
      new Set(['ERR_BACKEND_UNKNOWN', 'ERR_FILE_NOT_FOUND']),
    )
    expect((await textsOf(dataSource, 'paper')).slice(0, -1)).toEqual(HOSTILE)
    await expect(backends.new.head('media/globex/secret.txt')).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    })
  })

  it("leaves a path alone that lies below another tenant than its row's", async () => {
    const { backends, dataSource } = await office(['uploads/globex/secret.txt'])
    await put(backends.old, 'media/globex/secret.txt', 'secret')
    const report = await migrateFiles({ dataSource, entity: Paper, to: 'new', tenantOf: row => row.owner })
    expect(report).toMatchObject({ moved: 0, failures: [{ code: 'ERR_TENANT_MISMATCH' }] })
  })
})
