import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get } from 'node:http'
import { buffer } from 'node:stream/consumers'
import express from 'express'
import multer from 'multer'
import { describe, expect, it } from 'vitest'
import { type Ledger, StorageError, type StoredFile } from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { answerErrors, fromHeader, serveFiles, tenant } from '../../src/express/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { ChaosDriver, type ChaosRule, sendSlowly } from '../../src/testing/index.js'
import { discardFile, storeFile } from '../../src/upload/index.js'
import { keepAlive } from '../multer/upload-app.js'
import { asAcme, failOnUnhandled, keysOf, storageOver } from '../upload/support.js'
import { listen } from './http.js'

failOnUnhandled()

const RULES = { folder: 'files' }
const BIG = randomBytes(300_000)

/** A little of everything, by chance. */
const STORM: ChaosRule[] = [
  { method: 'put', rate: 0.15, fault: { kind: 'error', code: 'ERR_BACKEND' } },
  { method: 'put', rate: 0.15, fault: { kind: 'cut', after: 100_000 } },
  { method: 'put', rate: 0.15, fault: { kind: 'lose' } },
  { method: 'put', rate: 0.1, fault: { kind: 'hang', ms: 20 } },
  { method: 'delete', rate: 0.3, fault: { kind: 'error', code: 'ERR_BACKEND_TIMEOUT' } },
  { method: 'delete', rate: 0.2, fault: { kind: 'lose' } },
  { rate: 0.1, fault: { kind: 'delay', ms: 5 } },
]

/** A ledger that remembers what it was told of each key: the truth that a reaper would act on. */
class TrueLedger implements Ledger {
  readonly lines = new Map<string, 'pending' | 'confirmed' | 'to be deleted'>()

  stage: Ledger['stage'] = async ({ objectKey }) => {
    this.lines.set(objectKey, 'pending')
    return {
      recordMultipart: async () => {},
      confirm: async () => void this.lines.set(objectKey, 'confirmed'),
      abandon: async () => void this.lines.delete(objectKey),
      leave: () => {},
    }
  }

  discard: Ledger['discard'] = async (_backend, objectKey, remove) => {
    this.lines.set(objectKey, 'to be deleted')
    await remove()
    this.lines.delete(objectKey)
  }
}

function setUp(rules: ChaosRule[], seed = 1) {
  const memory = new MemoryDriver()
  const driver = new ChaosDriver(memory, { rules, seed })
  const storage = storageOver(driver)
  const ledger = new TrueLedger()
  storage.ledgers.register('true').open(ledger)
  /** No object that the ledger does not know, and no file that it calls complete and that is not there. */
  const assertTrue = async () => {
    driver.calm()
    const keys = await keysOf(memory)
    expect(keys.filter(key => !ledger.lines.has(key))).toEqual([])
    const complete = [...ledger.lines].filter(([, state]) => state === 'confirmed').map(([key]) => key)
    expect(complete.filter(key => !keys.includes(key))).toEqual([])
    for (const key of keys) expect((await memory.head(key)).size).toBe(BIG.length)
    return { keys, complete }
  }
  return { driver, storage, ledger, assertTrue }
}

describe('with chaos in the storage', () => {
  it.each([1, 2, 3])('storeFile says what is true, and so does the ledger (seed %d)', async seed => {
    const { driver, storage, assertTrue } = setUp(STORM, seed)
    const stored: StoredFile[] = []
    let failed = 0
    for (let number = 0; number < 40; number++) {
      try {
        stored.push(await asAcme(() => storeFile(storage, BIG, RULES, { name: `${number}.bin` })))
      } catch (error) {
        expect(StorageError.is(error)).toBe(true)
        failed++
      }
    }
    expect(failed).toBeGreaterThan(5)
    expect(driver.injected.length).toBeGreaterThan(failed - 1)
    const { complete } = await assertTrue()
    expect(complete).toHaveLength(stored.length)
    for (const file of stored) expect(BIG.equals(await asAcme(() => file.bytes()))).toBe(true)
  })

  it('discardFile leaves no object without a line', async () => {
    const { driver, storage, assertTrue } = setUp([
      { method: 'delete', every: 2, fault: { kind: 'error', code: 'ERR_BACKEND' } },
      { method: 'delete', every: 3, fault: { kind: 'lose' } },
    ])
    for (let number = 0; number < 12; number++) {
      const file = await asAcme(() => storeFile(storage, BIG, RULES, { name: 'a.bin' }))
      await asAcme(() => discardFile(storage, file)).catch((error: unknown) =>
        expect(StorageError.is(error)).toBe(true),
      )
    }
    expect(driver.injected.length).toBeGreaterThan(5)
    const { keys } = await assertTrue()
    expect(keys.length).toBeGreaterThan(0)
  })

  it.each([1, 2])(
    'a form of two files is answered, and is stored or refused as a whole (seed %d)',
    async seed => {
      const { storage, assertTrue } = setUp(STORM, seed)
      const app = express()
      app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
      app.post('/', multer({ storage: tenantStorage(storage, RULES) }).any(), (req, res) => {
        res.json((req.files as Express.Multer.File[]).map(({ stored }) => stored.key))
      })
      app.use(answerErrors())
      const { url } = await listen(app)
      const part = (name: string) => ({ name, filename: `${name}.bin`, body: BIG })
      const statuses: number[] = []
      for (let number = 0; number < 15; number++) {
        const parts = [part('one'), part('two')]
        const { status } = await sendSlowly({
          url,
          parts,
          headers: { 'x-tenant': 'acme' },
          chunkSize: 65_536,
          delay: 0,
        })
        statuses.push(status)
      }
      expect(new Set(statuses).size).toBeGreaterThan(1)
      expect(statuses.every(status => [200, 502, 504].includes(status))).toBe(true)
      const { complete } = await assertTrue()
      expect(complete.length).toBeGreaterThanOrEqual(2 * statuses.filter(status => status === 200).length)
    },
  )

  it.each<[string, ChaosRule['fault']]>([
    ['a connection that breaks', { kind: 'cut', after: 100_000 }],
    ['a file that is cut off', { kind: 'short', after: 100_000 }],
    ['a file that is cut off at once', { kind: 'short', after: 0 }],
  ])('a download fails loudly: %s', async (_, fault) => {
    const { url, path } = await serving({ method: 'get', fault })
    const download = async () => {
      const [answer] = await once(get(url + path, { agent: keepAlive() }), 'response')
      return buffer(answer)
    }
    const started = Date.now()
    await expect(download()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(Date.now() - started).toBeLessThan(2_000)
  })

  it('a download that finds no backend is answered with 502, and one that gets no answer with 504', async () => {
    for (const [kind, status] of [
      ['ERR_BACKEND', 502],
      ['ERR_BACKEND_TIMEOUT', 504],
    ] as const) {
      const { url, path } = await serving({ method: 'get', fault: { kind: 'error', code: kind } })
      expect((await fetch(url + path)).status).toBe(status)
    }
  })
})

/** A file that is being served by a storage to which one thing happens. */
async function serving(rule: ChaosRule): Promise<{ url: string; path: string }> {
  const { storage } = setUp([rule])
  await storage.ready()
  const file = await asAcme(() => storeFile(storage, BIG, RULES, { name: 'a.bin' }))
  const app = express()
  app.use('/files', serveFiles(storage))
  app.use(answerErrors())
  const { url } = await listen(app)
  return { url, path: asAcme(() => file.url) }
}
