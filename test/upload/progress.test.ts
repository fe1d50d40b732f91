import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/core/index.js'
import { storeFile, type UploadProgress } from '../../src/upload/index.js'
import { PDF } from './sample-files.js'
import { asAcme, errorOf, eventsOf, failOnUnhandled, keysOf, storageOver, WatchedDriver } from './support.js'

const PIECE = randomBytes(100_000)

function setUp() {
  const driver = new WatchedDriver()
  const storage = storageOver(driver)
  const told: UploadProgress[] = []
  const onProgress = (progress: UploadProgress) => void told.push(progress)
  const store = (body: Uint8Array | Readable, options = {}, rules = {}) =>
    asAcme(() =>
      storeFile(storage, body, { folder: 'files', ...rules }, { name: 'a.bin', onProgress, ...options }),
    )
  return { driver, store, told, phases: () => told.map(({ phase }) => phase) }
}

function slowly(count: number): Readable {
  return Readable.from(
    (async function* () {
      for (let index = 0; index < count; index++) {
        yield PIECE
        await sleep(120)
      }
    })(),
  )
}

failOnUnhandled()

describe('progress', () => {
  it('tells of bytes and of each phase, under one id that is part of the key', async () => {
    const { store, told, phases } = setUp()
    const { key } = await store(slowly(4), { size: 400_000 })
    expect(phases().filter(phase => phase !== 'receiving')).toEqual(['received', 'stored', 'confirmed'])
    expect(phases().filter(phase => phase === 'receiving').length).toBeGreaterThan(1)
    expect(told.map(({ bytes }) => bytes)).toEqual([...told.map(({ bytes }) => bytes)].sort((a, b) => a - b))
    const [{ id = '' } = {}] = told
    expect(key).toBe(`files/${id}.bin`)
    expect(told.at(-1)).toEqual({
      id,
      phase: 'confirmed',
      bytes: 400_000,
      total: 400_000,
      disk: 'media',
      tenant: 'acme',
      name: 'a.bin',
    })
  })

  it('tells of bytes in memory, whose total is known', async () => {
    const { store, told } = setUp()
    await store(PDF, { name: 'a.pdf' })
    expect(told.map(({ phase, bytes, total }) => [phase, bytes, total])).toEqual([
      ['received', PDF.length, PDF.length],
      ['stored', PDF.length, PDF.length],
      ['confirmed', PDF.length, PDF.length],
    ])
  })

  it('is an event as well, for all uploads of the process', async () => {
    const events = eventsOf('progress')
    const { store, told } = setUp()
    await store(Readable.from([PIECE]))
    expect(events).toEqual(told)
    await store(PDF, { onProgress: undefined, name: 'a.pdf' })
    expect(events.at(-1)).toMatchObject({ phase: 'confirmed', name: 'a.pdf' })
  })

  it('does not flood: a great many pieces are few reports', async () => {
    const { store, told } = setUp()
    await store(Readable.from(Array.from({ length: 5_000 }, () => Buffer.from('piece'))))
    expect(told.length).toBeLessThan(100)
  })

  it('ends with the failure and its cause, whatever failed', async () => {
    const down = new StorageError('ERR_BACKEND', 'down')
    const failing = (driver: WatchedDriver) => {
      driver.before = () => Promise.reject(down)
    }
    const cases: [object, object, (driver: WatchedDriver) => void][] = [
      [{}, { maxSize: 10 }, () => {}],
      [{}, { accept: ['image/*'] }, () => {}],
      [{ signal: AbortSignal.abort() }, {}, () => {}],
      [{}, {}, failing],
    ]
    for (const [options, rules, prepare] of cases) {
      const { driver, store, told } = setUp()
      prepare(driver)
      const error = await errorOf(store(Readable.from([PIECE]), options, rules))
      expect(told.at(-1)).toMatchObject({ phase: 'failed', error })
      expect(told.filter(({ phase }) => phase === 'failed')).toHaveLength(1)
    }
  })

  it('whose listener throws ends the upload with its error, and leaves nothing', async () => {
    for (const when of ['receiving', 'received', 'stored', 'confirmed']) {
      const { driver, store } = setUp()
      const cause = new Error(`a bug while ${when}`)
      const onProgress = ({ phase }: UploadProgress) => {
        if (phase === when) throw cause
      }
      const error = await errorOf(store(Readable.from([PIECE, PIECE, PIECE, PIECE]), { onProgress }))
      expect(error).toMatchObject({ code: 'ERR_CONFIG', cause })
      expect(await keysOf(driver)).toEqual([])
    }
  })

  it('whose listener is async and rejects ends the upload in the same way, and the process lives', async () => {
    const cause = new Error('a bug, a little later')
    for (const when of ['receiving', 'received']) {
      const { driver, store } = setUp()
      driver.after = () => sleep(20)
      const onProgress = async ({ phase }: UploadProgress) => {
        if (phase === when) throw cause
      }
      const error = await errorOf(store(slowly(3), { onProgress }))
      expect(error).toMatchObject({ code: 'ERR_CONFIG', cause })
      expect(await keysOf(driver)).toEqual([])
    }
  })

  it('whose listener rejects when all is over is a warning', async () => {
    const warnings = eventsOf('warning')
    const { store } = setUp()
    const onProgress = async ({ phase }: UploadProgress) => {
      await sleep(10)
      if (phase === 'confirmed') throw new Error('a bug, too late')
    }
    expect(await store(PDF, { name: 'a.pdf', onProgress })).toMatchObject({ size: PDF.length })
    await sleep(30)
    expect(warnings).toMatchObject([{ code: 'ONPROGRESS_FAILED' }])
  })
})
