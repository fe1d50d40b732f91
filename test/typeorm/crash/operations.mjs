import { setTimeout as sleep } from 'node:timers/promises'

/** What an operation throws on purpose, to have its transaction rolled back. */
class Wanted extends Error {}

// So few that writers meet.
const IDS = 24

/** What writers do, by name. Each takes a world and a source of chance. */
export const OPERATIONS = {
  'save new': ({ dataSource, upload }, random) => saveNew(dataSource.manager, upload, random),
  replace: ({ dataSource, upload }, random) => replace(dataSource.manager, upload, random),
  remove: ({ dataSource }, random) => remove(dataSource.manager, random),

  insert: async ({ dataSource, upload }, random) =>
    dataSource.getRepository('Page').insert({ id: anId(random), cover: await upload() }),

  upsert: async ({ dataSource, upload }, random) =>
    dataSource.getRepository('Page').upsert({ id: anId(random), cover: await upload() }, ['id']),

  'insert or ignore': async ({ dataSource, upload }, random) =>
    dataSource
      .getRepository('Page')
      .createQueryBuilder()
      .insert()
      .values({ id: anId(random), cover: await upload() })
      .orIgnore()
      .execute(),

  'remove softly': async ({ dataSource }, random) => {
    const page = await find(dataSource.manager, random)
    if (page) await dataSource.manager.softRemove('Page', page)
  },

  'change a list': async ({ dataSource, uploadSheet }, random) => {
    const page = await find(dataSource.manager, random)
    if (!page) return
    const kept = (page.sheets ?? []).filter(() => random() < 0.6)
    page.sheets = [...kept, await uploadSheet()]
    await dataSource.manager.save('Page', page)
  },

  'delete by condition': ({ bulkDelete }, random) => bulkDelete({ id: anId(random) }),

  transaction: ({ dataSource, upload }, random) =>
    wantedOr(
      dataSource.transaction(async manager => {
        await saveNew(manager, upload, random)
        await replace(manager, upload, random)
        if (random() < 0.4) throw new Wanted()
        await remove(manager, random)
      }),
    ),

  savepoints: ({ dataSource, upload }, random) =>
    dataSource.transaction(async manager => {
      for (let i = 0; i < 2; i++) {
        await wantedOr(
          manager.transaction(async inner => {
            await replace(inner, upload, random)
            if (random() < 0.5) await remove(inner, random)
            if (random() < 0.5) throw new Wanted()
          }),
        )
      }
      await saveNew(manager, upload, random)
    }),

  'save again after a rollback': async ({ dataSource, upload }, random) => {
    const page = { id: anId(random), cover: await upload() }
    await wantedOr(
      dataSource.transaction(async manager => {
        await manager.save('Page', { ...page })
        throw new Wanted()
      }),
    )
    await dataSource.manager.save('Page', page)
  },

  // PostgreSQL then answers COMMIT with ROLLBACK, and no error.
  'swallow an error and commit': ({ dataSource, upload }, random) =>
    dataSource.transaction(async manager => {
      await replace(manager, upload, random)
      await manager.query('SELECT * FROM nowhere').catch(() => {})
    }),

  // MariaDB commits what was done so far.
  'change a table and roll back': ({ dataSource, upload }, random) =>
    wantedOr(
      dataSource.transaction(async manager => {
        await replace(manager, upload, random)
        await manager.query('CREATE TABLE IF NOT EXISTS beside (id int)')
        throw new Wanted()
      }),
    ),

  'lose the connection': async ({ dataSource, upload }, random) => {
    const kill =
      dataSource.options.type === 'postgres'
        ? 'SELECT pg_terminate_backend(pg_backend_pid())'
        : 'KILL CONNECTION_ID()'
    let isLost = false
    const lost = dataSource.transaction(async manager => {
      await replace(manager, upload, random)
      isLost = true
      await manager.query(kill)
    })
    await lost.catch(error => {
      if (!isLost) throw error
    })
  },

  'upload slowly': async ({ dataSource, uploadSlowly }, random) =>
    dataSource.manager.save('Page', { id: anId(random), cover: await uploadSlowly(1500) }),

  // Longer than the lease, so that a reaper may have been there.
  'save late': async ({ dataSource, upload }, random) => {
    const cover = await upload()
    await sleep(1000 + random() * 400)
    await dataSource.manager.save('Page', { id: anId(random), cover })
  },

  'upload and leave': async ({ upload }) => {
    await upload()
  },
  'upload and discard': async ({ upload, discard }) => discard(await upload()),
  'break off an upload': ({ uploadBroken }) => uploadBroken(),
}

/** Those that the control run does, too. */
export const NAIVE_OPERATIONS = [
  'save new',
  'replace',
  'remove',
  'insert',
  'upsert',
  'transaction',
  'savepoints',
  'swallow an error and commit',
  'change a table and roll back',
  'lose the connection',
]

function anId(random) {
  return 1 + Math.floor(random() * IDS)
}

function find(manager, random) {
  return manager.findOne('Page', { where: { id: anId(random) } })
}

async function saveNew(manager, upload, random) {
  await manager.save('Page', { id: anId(random), title: 'new', cover: await upload() })
}

async function replace(manager, upload, random) {
  const page = await find(manager, random)
  if (!page) return
  page.cover = random() < 0.1 ? null : await upload()
  await manager.save('Page', page)
}

async function remove(manager, random) {
  const page = await find(manager, random)
  if (page) await manager.remove('Page', page)
}

async function wantedOr(work) {
  try {
    await work
  } catch (error) {
    if (!(error instanceof Wanted)) throw error
  }
}
