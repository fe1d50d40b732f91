import type { MigrationInterface, QueryRunner } from 'typeorm'
import { expect, it } from 'vitest'
import {
  adoptColumn,
  adoptFiles,
  checkPhase,
  migrateFiles,
  planMigration,
  restoreColumn,
} from '../../src/migrate/index.js'
import { dataSourceOf, house } from '../typeorm/databases.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { Paper } from './old-town.js'

const COLUMN = { table: 'paper', column: 'file' }

class FileText1764200000000 implements MigrationInterface {
  up(runner: QueryRunner): Promise<void> {
    return adoptColumn(runner, COLUMN)
  }

  down(runner: QueryRunner): Promise<void> {
    return restoreColumn(runner, COLUMN)
  }
}

const TEXTS = ['media/acme/a.pdf', '', 'Ünï "quoted" it\'s', 'x'.repeat(100)]

describeOnSqliteFirst('adoptColumn', fresh => {
  async function archive() {
    const options = { ...(await fresh()), synchronize: false, migrations: [FileText1764200000000] }
    const dataSource = await dataSourceOf(options).initialize()
    const id = {
      postgres: 'serial PRIMARY KEY',
      mariadb: 'int AUTO_INCREMENT PRIMARY KEY',
    }[dataSource.options.type as string]
    await dataSource.query(
      `CREATE TABLE paper (id ${id ?? 'integer PRIMARY KEY AUTOINCREMENT'}, owner varchar(20) NOT NULL DEFAULT 'acme', version int NOT NULL DEFAULT 1, changed timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, file varchar(100) NOT NULL)`,
    )
    for (const text of TEXTS)
      await dataSource.query(`INSERT INTO paper (file) VALUES ('${text.replaceAll("'", "''")}')`)
    const texts = async () =>
      (await dataSource.query('SELECT file FROM paper ORDER BY id')).map((row: { file: unknown }) => row.file)
    const column = async () => {
      const runner = dataSource.createQueryRunner()
      const { type, length, isNullable } = (await runner.getTable('paper'))?.findColumnByName('file') ?? {}
      await runner.release()
      return { isLong: type === 'text', length, isNullable }
    }
    return { dataSource, texts, column }
  }

  it('makes text of the column and loses nothing, and brings it back', async () => {
    const { dataSource, texts, column } = await archive()
    const before = await column()
    expect(before).toMatchObject({ isLong: false, length: '100', isNullable: false })
    await dataSource.runMigrations()
    expect(await column()).toMatchObject({ isLong: true, isNullable: true })
    expect(await texts()).toEqual(TEXTS)
    await dataSource.query(`INSERT INTO paper (file) VALUES (NULL)`)
    await dataSource.undoLastMigration()
    expect(await column()).toEqual(before)
    expect(await texts()).toEqual([...TEXTS, ''])
  })

  it('is what the column of the entity looks like, so that a generated migration finds nothing left to do', async () => {
    const { dataSource } = await archive()
    await dataSource.runMigrations()
    const { type, ...rest } = dataSource.options
    const same = async () => ({ type, ...rest, database: rest.database }) as never
    if (type !== 'postgres') return // the other columns above are those of PostgreSQL
    const home = await house(same, [Paper], { synchronize: false })
    const { upQueries } = await home.dataSource.driver.createSchemaBuilder().log()
    expect(upQueries.map(({ query }) => query).filter(query => query.includes('"file"'))).toEqual([])
  })

  it('does not go back while a row holds a file, or text that is too long', async () => {
    const { dataSource, column } = await archive()
    await dataSource.runMigrations()
    for (const text of ['y'.repeat(101), '{"v":1,"disk":"media"}']) {
      await dataSource.query(`UPDATE paper SET file = '${text}' WHERE id = 1`)
      await expect(dataSource.undoLastMigration()).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    }
    expect(await column()).toMatchObject({ isLong: true })
  })

  it('keeps the triggers of the table', async () => {
    const { dataSource } = await archive()
    if (dataSource.options.type !== 'better-sqlite3') return // nobody else makes the table anew
    await dataSource.query(
      `CREATE TRIGGER stamp AFTER UPDATE ON paper BEGIN UPDATE paper SET version = 7 WHERE id = NEW.id; END`,
    )
    await dataSource.runMigrations()
    await dataSource.query(`UPDATE paper SET owner = 'globex' WHERE id = 1`)
    expect(await dataSource.query('SELECT version FROM paper WHERE id = 1')).toEqual([{ version: 7 }])
  })

  it('deletes no rows that refer to the table, where SQLite makes it anew', async () => {
    const { dataSource, column } = await archive()
    if (dataSource.options.type !== 'better-sqlite3') return // nobody else makes the table anew
    await dataSource.query('CREATE TABLE page (paper int REFERENCES paper (id) ON DELETE CASCADE)')
    await dataSource.query('INSERT INTO page VALUES (1)')
    await dataSource.runMigrations()
    expect(await dataSource.query('SELECT paper FROM page')).toEqual([{ paper: 1 }])
    await expect(dataSource.undoLastMigration()).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('page'),
    })
    expect(await column()).toMatchObject({ isLong: true })
    expect(await dataSource.query('SELECT paper FROM page')).toEqual([{ paper: 1 }])
  })

  it('refuses columns that are not there', async () => {
    const { dataSource } = await archive()
    const runner = dataSource.createQueryRunner()
    for (const column of [
      { table: 'papers', column: 'file' },
      { table: 'paper', column: 'files' },
    ])
      await expect(adoptColumn(runner, column)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(restoreColumn(runner, { ...COLUMN, length: 0 })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    })
    await runner.release()
  })

  it('is asked for by adoptFiles, which begins nothing on a column that is too short', async () => {
    const { dataSource, texts } = await archive()
    const { type, ...rest } = dataSource.options
    if (type === 'better-sqlite3') return // SQLite has no such limit
    const home = await house(async () => ({ type, ...rest }) as never, [Paper], { synchronize: false })
    await expect(adoptFiles({ dataSource: home.dataSource, entity: Paper })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('adoptColumn()'),
    })
    expect(await texts()).toEqual(TEXTS)
  })

  it('is of no use to a table without a primary key, which adoptFiles, migrateFiles, its plan and the doctor refuse', async () => {
    const { dataSource } = await archive()
    await dataSource.query('DROP TABLE paper')
    await dataSource.query(
      `CREATE TABLE paper (id int NOT NULL, owner varchar(20), version int, changed timestamp, file text)`,
    )
    for (const _ of [1, 2])
      await dataSource.query(
        `INSERT INTO paper (id, owner, version, file) VALUES (1, 'acme', 1, 'uploads/acme/a.pdf')`,
      )
    const { type, ...rest } = dataSource.options
    const home = await house(async () => ({ type, ...rest }) as never, [Paper], { synchronize: false })
    const { dataSource: bare } = home
    const to = home.storage.backendNames.at(-1) ?? ''
    const refusal = { code: 'ERR_CONFIG', message: expect.stringContaining('no primary key') }
    await expect(adoptFiles({ dataSource: bare, entity: Paper })).rejects.toMatchObject(refusal)
    await expect(migrateFiles({ dataSource: bare, entity: Paper, to })).rejects.toMatchObject(refusal)
    await expect(planMigration({ dataSource: bare, entity: Paper, to })).rejects.toMatchObject(refusal)
    const { checks } = await checkPhase({ dataSource: bare, phase: 2, to })
    expect(checks.find(({ check }) => check === 'columns')).toMatchObject({
      state: 'failed',
      detail: expect.stringContaining('no primary key'),
    })
  })
})
