// What a file column costs when rows are written, against a plain text column of the same length on the same server, with a
// storage that keeps nothing (docs/reference/benchmarks.md).
//
//   npm run bench -- save
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { DataSource, EntitySchema } from 'typeorm'
import { createStorage, runWithTenant } from '../../dist/core/index.js'
import { fileColumn, withFiles } from '../../dist/typeorm/index.js'
import { storeFile } from '../../dist/upload/index.js'
import { judge, measure, printTable, show } from './measure.mjs'
import { startDatabase } from './support.mjs'

const CALLS = 40
const ROUNDS = 15
const RULES = { folder: 'order_files' }
const BODY = Buffer.from('hello')

/** Takes everything and keeps nothing. */
class NoStorage {
  kind = 'none'
  capabilities = { encryption: [], storageClasses: [] }
  async ready() {}
  async put(_key, body) {
    return { size: body.length }
  }
  async delete() {}
}

const columns = file => ({
  id: { type: 'int', primary: true, generated: true },
  title: { type: 'text' },
  file,
})
const Plain = new EntitySchema({
  name: 'Plain',
  columns: columns({ type: 'text', nullable: true }),
})
const WithFile = new EntitySchema({ name: 'WithFile', columns: columns(fileColumn(RULES)) })

const server = await startDatabase()
const storage = createStorage({ secret: 'a secret for benchmarks', backends: { none: new NoStorage() } })
const plain = await new DataSource({
  type: 'postgres',
  url: server.url,
  entities: [Plain],
  synchronize: true,
}).initialize()
const files = await withFiles(
  storage,
  new DataSource({ type: 'postgres', url: server.url, entities: [WithFile], synchronize: true }),
).initialize()

const upload = () =>
  runWithTenant('acme', () => storeFile(storage, BODY, RULES, { name: 'offer for the new roof.txt' }))
const sample = JSON.stringify(await upload())
let count = 0
/** As long as the text of a file, and never the same. */
const text = () => sample.padEnd(330, '.') + count++

const list = make => Promise.all(Array.from({ length: CALLS }, make))
const row = value => ({ title: 'x', file: value })

/** One after the other, as a request does. */
const each = work => async items => {
  for (const item of items) await work(item)
}

function variants(dataSource, target, value, stage) {
  const repository = dataSource.getRepository(target)
  const saved = async () => repository.save(row(await value()))
  const replace = async entity => {
    entity.file = entity.next
    await repository.save(entity)
  }
  const withNext = async () => Object.assign(await saved(), { next: await value() })
  return {
    'save(new)': { prepare: () => list(async () => row(await value())), run: each(e => repository.save(e)) },
    'upload and save(new)': {
      prepare: () => list(() => 0),
      run: each(async () => repository.save(row(await stage()))),
    },
    insert: { prepare: () => list(async () => row(await value())), run: each(e => repository.insert(e)) },
    replace: { prepare: () => list(withNext), run: each(replace) },
    'save(other column)': {
      prepare: () => list(saved),
      run: each(entity => repository.save(Object.assign(entity, { title: `y${count++}` }))),
    },
    remove: { prepare: () => list(saved), run: each(entity => repository.remove(entity)) },
  }
}

const prefixed = (prefix, all) =>
  Object.fromEntries(
    Object.entries(all).map(([name, { prepare, run }]) => [
      `${prefix} ${name}`,
      {
        calls: CALLS,
        prepare: async () => {
          await settled()
          return prepare()
        },
        run: timed(`${prefix} ${name}`, run),
      },
    ]),
  )

// How long it takes, beside the CPU of this process: the server's work shows only there.
const walls = {}
function timed(name, run) {
  return async items => {
    const begin = performance.now()
    await run(items)
    walls[name] ??= []
    walls[name].push(((performance.now() - begin) * 1000) / CALLS)
  }
}
/** What is deleted in the background behind a commit must not be counted to whoever comes next. */
async function settled() {
  for (;;) {
    const [{ left }] = await files.query(
      "SELECT count(*)::int AS left FROM file_ledger WHERE state = 'delete'",
    )
    if (left === 0) return
    await sleep(20)
  }
}
const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

try {
  const times = await measure(
    {
      ...prefixed(
        'text',
        variants(
          plain,
          Plain,
          async () => text(),
          async () => text(),
        ),
      ),
      ...prefixed('file', variants(files, WithFile, upload, upload)),
    },
    { rounds: ROUNDS },
  )
  const names = Object.keys(variants(plain, Plain, text, text))
  const ratio = name => times[`file ${name}`] / times[`text ${name}`]
  printTable(
    ['', 'text: CPU µs', 'file: CPU µs', 'ratio', 'text: µs', 'file: µs', 'ratio'],
    names.map(name => {
      const [a, b] = [median(walls[`text ${name}`]), median(walls[`file ${name}`])]
      return [
        name,
        show(times[`text ${name}`]),
        show(times[`file ${name}`]),
        show(ratio(name)),
        show(a),
        show(b),
        show(b / a),
      ]
    }),
  )
  judge([{ what: 'save(new) against a text column', value: ratio('save(new)'), atMost: 2, unit: 'x' }])
} finally {
  await plain.destroy()
  await files.destroy()
  await server.end()
}
