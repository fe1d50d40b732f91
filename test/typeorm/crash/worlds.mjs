import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createStorage, runWithTenant } from 'tenant-files'
import { filesOf, reapOnce, withFiles } from 'tenant-files/typeorm'
import { discardFile, storeFile } from 'tenant-files/upload'
import { DataSource } from 'typeorm'
import { NaiveHooks, naiveUpload } from './naive-hooks.mjs'
import { COVER, naivePageSchema, pageSchema, SHEETS } from './pages.mjs'

const TENANTS = ['acme', 'acme-corp']

/** An application with this library. */
export function libraryWorld({ database, secret, lease }, driver, random) {
  const storage = createStorage({ secret, backends: { local: driver } })
  const options = { ...database, entities: [pageSchema], poolSize: 5 }
  const dataSource = withFiles(storage, new DataSource(options), { lease })
  const tenant = () => TENANTS[Math.floor(random() * TENANTS.length)]
  const store = (body, rules) =>
    runWithTenant(tenant(), () => storeFile(storage, body, rules, { name: 'a.txt' }))
  return {
    dataSource,
    upload: () => store(bytes(random), COVER),
    uploadSheet: () => store(bytes(random), SHEETS),
    uploadSlowly: time => store(Readable.from(slowBody(driver, time)), COVER),
    uploadBroken: () => expectAbort(store(Readable.from(brokenBody()), COVER)),
    discard: file => runWithTenant(file.tenant, () => discardFile(storage, file)),
    bulkDelete: where => filesOf(dataSource).delete('Page', where),
    reap: () => reapOnce(storage),
  }
}

/** The control: the same application with hooks of its own. */
export function naiveWorld({ database }, driver, random) {
  const dataSource = new DataSource({ ...database, entities: [naivePageSchema], poolSize: 5 })
  const initialize = dataSource.initialize.bind(dataSource)
  dataSource.initialize = async () => {
    await driver.ready()
    await initialize()
    dataSource.subscribers.push(new NaiveHooks(driver))
  }
  return {
    dataSource,
    upload: () => naiveUpload(driver, TENANTS[Math.floor(random() * TENANTS.length)], bytes(random)),
  }
}

/** A text that is like no other. */
function bytes(random) {
  return Buffer.from(`${random()} `.repeat(1 + Math.floor(random() * 100)))
}

/** More than what the pipeline takes in before it looks for a place to store it (256 KiB). */
function beginning() {
  return Buffer.from(`${Math.random()}\n`.repeat(20_000))
}

/** Comes in pieces, so many milliseconds long. */
async function* slowBody(driver, time) {
  const PIECES = 12
  yield beginning()
  for (let piece = 0; piece < PIECES; piece++) {
    yield Buffer.from(`${piece}\n`)
    driver.bytesFlow()
    await sleep(time / PIECES)
  }
}

async function* brokenBody() {
  yield beginning()
  await sleep(20)
  throw new Error('The sender is gone.')
}

async function expectAbort(uploading) {
  const outcome = await uploading.then(
    () => 'stored',
    error => error,
  )
  if (outcome?.code !== 'ERR_UPLOAD_ABORTED') throw outcome
}
