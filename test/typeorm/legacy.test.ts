import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { FileColumn } from '../../src/typeorm/index.js'
import { house, ledgerOf, upload } from './databases.js'
import { describeOnSqliteFirst } from './on-databases.js'

const OLD = 'uploads/acme/2019/report 1.pdf'

@Entity('document')
class Document {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'text', nullable: true })
  title!: string | null

  @FileColumn({
    folder: 'documents',
    legacy: value => {
      const [, tenant = '', ...path] = value.split('/')
      return { tenant, key: path.join('/'), name: path.at(-1) ?? '' }
    },
  })
  file!: StoredFile | null
}

describeOnSqliteFirst('an old plain-string column', fresh => {
  async function withOldRow(text = OLD) {
    const home = await house(fresh, [Document])
    const insert = home.dataSource.createQueryBuilder().insert().into('document').callListeners(false)
    await insert.values({ title: 'old', file: () => `'${text}'` } as never).execute()
    return { ...home, documents: home.dataSource.getRepository(Document) }
  }

  it('is read as a file that can be signed', async () => {
    const { documents } = await withOldRow()
    const { file } = await documents.findOneByOrFail({ title: 'old' })
    expect(file).toMatchObject({
      disk: 'media',
      backend: 'memory',
      tenant: 'acme',
      key: '2019/report 1.pdf',
      name: 'report 1.pdf',
      size: 0,
      type: 'application/octet-stream',
      sha256: null,
    })
    expect(runWithTenant('acme', () => file?.url)).toContain('/files/memory/media/acme/2019/report%201.pdf?')
  })

  it('is written back to the letter while it is untouched', async () => {
    const { dataSource, documents, log } = await withOldRow()
    const document = await documents.findOneByOrFail({ title: 'old' })
    document.title = 'new'
    log.writes()
    await documents.save(document)
    expect(log.writes()).toHaveLength(1)
    expect(await dataSource.query('SELECT file FROM document')).toEqual([{ file: OLD }])
  })

  it('is handed to the reaper when it is replaced, although the ledger never knew it', async () => {
    const home = await withOldRow()
    const document = await home.documents.findOneByOrFail({ title: 'old' })
    document.file = await upload(home, { folder: 'documents' })
    await home.documents.save(document)
    const lines = await ledgerOf(home.dataSource)
    expect(lines.map(({ object_key, state }) => ({ object_key, state }))).toContainEqual({
      object_key: 'media/acme/2019/report 1.pdf',
      state: 'delete',
    })
  })

  it.each(['', '  '])('is null where its text is %j, which stays in the row', async text => {
    const { dataSource, documents } = await withOldRow(text)
    const document = await documents.findOneByOrFail({ title: 'old' })
    expect(document.file).toBeNull()
    await documents.save(Object.assign(document, { title: 'new' }))
    expect(await dataSource.query('SELECT title, file FROM document')).toEqual([{ title: 'new', file: text }])
  })

  it.each(['nonsense', 'uploads/_bad/x.pdf', 'uploads/acme/../x.pdf', '{"v":9}'])(
    'loads, and can be replaced, when its text %j names no file',
    async text => {
      const home = await withOldRow(text)
      const document = await home.documents.findOneByOrFail({ title: 'old' })
      expect(document.file?.toJSON()).toMatchObject({ url: null })
      document.title = 'other'
      await home.documents.save(document)
      expect(await home.dataSource.query('SELECT file FROM document')).toEqual([{ file: text }])
      document.file = await upload(home, { folder: 'documents' })
      await home.documents.save(document)
      expect((await ledgerOf(home.dataSource)).map(line => line.state)).toEqual(['attached'])
    },
  )
})
