import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { runEach } from '../../src/cli/run-each.js'
import { Screen } from '../../src/cli/screen.js'
import { Workplace } from '../../src/cli/workplace.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles } from '../../src/migrate/index.js'
import { Paper } from '../migrate/old-town.js'
import { fill, Parcel } from '../migrate/town.js'
import { embeddedOptions } from '../support/sqlite.js'
import { house, memoryStorage } from '../typeorm/databases.js'

async function run(...entities: (typeof Paper | typeof Parcel)[]) {
  const storage = memoryStorage({ old: new MemoryDriver(), new: new MemoryDriver() })
  const { dataSource } = await house(async () => embeddedOptions(), [Paper, Parcel], { storage })
  await fill(storage, dataSource, 2)
  // As another program made it: without a primary key.
  await dataSource.query('DROP TABLE paper')
  await dataSource.query(
    'CREATE TABLE paper (id integer, owner text, version integer, changed text, file text)',
  )
  const [out, err] = [new PassThrough(), new PassThrough()]
  const place = new Workplace({
    ...{ folder: '.', screen: new Screen(out, err), signal: new AbortController().signal },
    rooms: {
      typeorm: () => import('../../src/typeorm/index.js'),
      migrate: () => import('../../src/migrate/index.js'),
    },
  })
  const work = runEach(
    place,
    {},
    {
      choices: entities.map(entity => ({ dataSource, entity })),
      run: choice => migrateFiles({ ...choice, to: 'new' }),
      textOf: ({ entity, moved }) => `${entity}: ${moved}`,
      ended: 'ended',
    },
  )
  await work.finally(() => {
    out.end()
    err.end()
  })
  return { code: place.exitCode, stdout: await text(out), stderr: await text(err) }
}

test('an entity that cannot have its turn takes none from the others, and no report away', async () => {
  for (const entities of [
    [Paper, Parcel],
    [Parcel, Paper],
  ]) {
    const { code, stdout, stderr } = await run(...entities)
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'Parcel: 2\n' })
    expect(stderr).toMatch(/^Paper: ERR_CONFIG: The table paper has no primary key/)
  }
})

test('where none had its turn, the command says why it did not begin', async () => {
  await expect(run(Paper)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
})
