import { Column, DeleteDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describe, expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FileColumn, FilesColumn } from '../../src/typeorm/index.js'
import { house, ledgerOf, stateOf, states, upload } from './databases.js'
import { describeOnSqliteFirst } from './on-databases.js'

const RULES = { folder: 'papers' }
const DAY = 86_400_000

@Entity()
class Paper {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', length: 20, default: '' })
  title!: string

  @DeleteDateColumn()
  deletedAt!: Date | null

  @FileColumn({ ...RULES, keepReplaced: 30 })
  kept!: StoredFile | null

  @FileColumn({ ...RULES, onRemove: 'keep' })
  archived!: StoredFile | null

  @FilesColumn({ ...RULES, onSoftDelete: 'delete' })
  drafts!: readonly StoredFile[] | null
}

/** Whose files stay with a softly removed row. */
@Entity()
class Memo {
  @PrimaryGeneratedColumn()
  id!: number

  @DeleteDateColumn()
  deletedAt!: Date | null

  @FileColumn(RULES)
  file!: StoredFile | null
}

describeOnSqliteFirst('keepReplaced', fresh => {
  it('keeps a replaced and a removed file for its days', async () => {
    const home = await house(fresh, [Paper])
    const papers = home.dataSource.getRepository(Paper)
    const [old, file] = [await upload(home, RULES), await upload(home, RULES)]
    const { id } = await papers.save({ kept: old })
    await papers.save({ id, kept: file })
    await papers.remove(await papers.findOneByOrFail({ id }))
    expect(await states(home.dataSource)).toEqual({ kept: 2 })
    for (const line of await ledgerOf(home.dataSource)) {
      const days = (Number(line.expires_at) - Date.now()) / DAY
      expect(days).toBeGreaterThan(29)
      expect(days).toBeLessThan(31)
    }
  })
})

describeOnSqliteFirst('onRemove: keep', fresh => {
  it('keeps the file of a removed row for ever, and deletes a replaced one', async () => {
    const home = await house(fresh, [Paper])
    const papers = home.dataSource.getRepository(Paper)
    const [old, file] = [await upload(home, RULES), await upload(home, RULES)]
    const { id } = await papers.save({ archived: old })
    await papers.save({ id, archived: file })
    await papers.remove(await papers.findOneByOrFail({ id }))
    expect(await stateOf(home.dataSource, old)).toBe('delete')
    const lines = await ledgerOf(home.dataSource)
    expect(lines.filter(({ state }) => state === 'kept')).toMatchObject([{ expires_at: null }])
  })
})

describeOnSqliteFirst('a soft removal', fresh => {
  it('deletes the files of onSoftDelete: delete, and recovering does not bring them back', async () => {
    const home = await house(fresh, [Paper])
    const papers = home.dataSource.getRepository(Paper)
    const drafts = [await upload(home, RULES), await upload(home, RULES)]
    const { id } = await papers.save({ drafts, archived: await upload(home, RULES) })
    const paper = await papers.findOneByOrFail({ id })
    await papers.softRemove(paper)
    expect(paper.drafts).toBeNull()
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 2 })
    await papers.recover(paper)
    const recovered = await papers.findOneByOrFail({ id })
    expect(recovered.drafts).toBeNull()
    expect(recovered.archived).not.toBeNull()
    expect(await states(home.dataSource)).toEqual({ attached: 1, delete: 2 })
  })

  it('that is rolled back deletes nothing', async () => {
    const home = await house(fresh, [Paper])
    const papers = home.dataSource.getRepository(Paper)
    const { id } = await papers.save({ drafts: [await upload(home, RULES)] })
    const work = home.dataSource.transaction(async manager => {
      await manager.softRemove(await manager.findOneByOrFail(Paper, { id }))
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect((await papers.findOneByOrFail({ id })).drafts).toHaveLength(1)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('deletes what the row holds now, not what was loaded', async () => {
    const home = await house(fresh, [Paper])
    const papers = home.dataSource.getRepository(Paper)
    const { id } = await papers.save({ drafts: [await upload(home, RULES)] })
    const stale = await papers.findOneByOrFail({ id })
    await papers.save({ id, drafts: [await upload(home, RULES)] })
    await papers.softRemove(stale)
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })

  it('by condition is refused where it would have to find files, and passes elsewhere', async () => {
    const home = await house(fresh, [Paper, Memo])
    const papers = home.dataSource.getRepository(Paper)
    const memos = home.dataSource.getRepository(Memo)
    const { id } = await papers.save({ drafts: [await upload(home, RULES)] })
    const memo = await memos.save({ file: await upload(home, RULES) })
    const refused = { code: 'ERR_BULK_WRITE', message: expect.stringContaining('softRemove()') }
    await expect(papers.softDelete(id)).rejects.toMatchObject(refused)
    await memos.softDelete(memo.id)
    await memos.restore(memo.id)
    expect((await memos.findOneByOrFail({ id: memo.id })).file).not.toBeNull()
    expect(await states(home.dataSource)).toEqual({ attached: 2 })
  })
})

describe('a file column', () => {
  it.each([
    { onRemove: 'forget' },
    { onSoftDelete: 'remove' },
    { keepReplaced: -1 },
    { keepReplaced: 1.5 },
    { keepReplaced: 1e6 },
    { onSoftDelete: 'delete', nullable: false },
  ])('refuses %o', options => {
    const wrong = expect.objectContaining({ code: 'ERR_CONFIG' })
    expect(() => FileColumn({ ...RULES, ...(options as object) })).toThrow(wrong)
  })
})
