import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestHandler } from 'express'
import { describe, expect, it, test, vi } from 'vitest'
import { StorageError, tryGetTenant } from '../../src/core/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { PDF, PNG, padded } from '../upload/sample-files.js'
import { eventsOf, failOnUnhandled } from '../upload/support.js'
import { file, type UploadAppOptions, uploadApp } from './upload-app.js'

failOnUnhandled()

const failing: Record<string, RequestHandler> = {
  throws: () => {
    throw new Error('the handler is broken')
  },
  rejects: async () => Promise.reject(new Error('the handler is broken')),
  'calls next with an error': (_req, _res, next) => next(new StorageError('ERR_CONFIG', 'no')),
  'answers 422': (_req, res) => void res.status(422).json({}),
}

const answering =
  (status: number): RequestHandler =>
  (_req, res) =>
    void res.status(status).end()

/** The keys that are left a while after the answer. */
async function keysAfter(options: UploadAppOptions, parts = [file('a', '1.pdf', PDF)]) {
  const app = await uploadApp(options)
  const { status } = await app.send(parts)
  await sleep(50)
  return { app, status, keys: await app.keys() }
}

describe('the files of a request whose handler', () => {
  test.each(Object.keys(failing))('%s are removed after the answer', async how => {
    const parts = [file('a', '1.pdf', PDF), file('b', '2.png', PNG)]
    const app = await uploadApp({ handler: failing[how] as RequestHandler })
    expect((await app.send(parts)).status).toBeGreaterThanOrEqual(400)
    await vi.waitFor(async () => expect(await app.keys()).toEqual([]), 3_000)
    expect(app.driver.puts).toBe(2)
    expect(app.ledger.lines.filter(line => line === 'discard')).toHaveLength(2)
  })

  it('fails after it saved one of two keep that one', async () => {
    const app = await uploadApp({
      handler: (req, res) => {
        const [first] = req.files as Express.Multer.File[]
        app.ledger.claimed.add(first?.key ?? '')
        res.status(500).end()
      },
    })
    await app.send([file('a', '1.pdf', PDF), file('a', '2.png', PNG)])
    await vi.waitFor(async () => expect(await app.keys()).toHaveLength(1), 3_000)
    expect(await app.keys()).toEqual([...app.ledger.claimed])
  })

  test.each([200, 201, 202, 302, 304])('answers %i wait for their row', async status => {
    const { keys, app } = await keysAfter({ handler: answering(status) })
    expect(keys).toHaveLength(1)
    expect(app.ledger.lines).not.toContain('discard')
  })

  it('goes on after its client has left wait for their row', async () => {
    const abort = new AbortController()
    let hasLeft = false
    const app = await uploadApp({
      handler: async (_req, res) => {
        abort.abort()
        await once(res, 'close')
        hasLeft = true
        res.status(500).end() // nobody hears it, and the row may have been written meanwhile
      },
    })
    await app.send([file('a', '1.pdf', PDF)], { signal: abort.signal }).catch(() => {})
    await vi.waitFor(() => expect(hasLeft).toBe(true), 3_000)
    await sleep(50)
    expect(await app.keys()).toHaveLength(1)
  })

  it('fails stay where no ledger says whether somebody wrote their key down', async () => {
    const { keys } = await keysAfter({ ledger: 'none', handler: answering(500) })
    expect(keys).toHaveLength(1)
  })

  it('fails go without a ledger too where the application says so', async () => {
    const app = await uploadApp({ ledger: 'none', handler: answering(500), engine: { discard: 'all' } })
    await app.send([file('a', '1.pdf', PDF)])
    await vi.waitFor(async () => expect(await app.keys()).toEqual([]), 3_000)
  })

  it('fails stay where the application says so', async () => {
    const { keys, app } = await keysAfter({ handler: answering(422), engine: { discard: 'none' } })
    expect(keys).toHaveLength(1)
    expect(app.ledger.lines).not.toContain('discard')
  })

  it('fails are removed as their tenant, and what cannot be removed is told', async () => {
    const seen: unknown[] = []
    const leftovers = eventsOf('leftover')
    const app = await uploadApp({ handler: answering(500) })
    app.driver.deleting = () => {
      seen.push(tryGetTenant())
      throw new StorageError('ERR_BACKEND_DENIED', 'no')
    }
    await app.send([file('a', '1.pdf', PDF), file('a', '2.png', PNG)])
    await vi.waitFor(() => expect(seen).toEqual(['acme', 'acme']), 3_000)
    const keys = await app.keys()
    expect(leftovers.map(({ key }) => key).sort()).toEqual(keys.sort())
    expect(leftovers).toMatchObject([{ error: { code: 'ERR_BACKEND_DENIED' } }, {}])
  })

  it('never gets to run, because a file is bad, are removed once', async () => {
    const { keys, app, status } = await keysAfter({}, [file('a', '1.pdf', PDF), file('a', '2.pdf', '')])
    expect([status, keys]).toEqual([400, []])
    expect(app.ledger.lines.filter(line => line === 'discard')).toHaveLength(1)
  })
})

it('progress is told for each file, with its request and as its tenant, also when the body is late', async () => {
  const seen: unknown[] = []
  const app = await uploadApp({
    engine: {
      onProgress: ({ phase, bytes, name, field }, req) => {
        seen.push([req.get('x-tenant'), tryGetTenant(), name, field, phase === 'receiving' || bytes])
      },
    },
  })
  const parts = [file('a', '1.pdf', padded(PDF, 700)), file('b', '2.png', PNG)]
  expect((await app.send(parts, { chunkSize: 100, delay: 3 })).status).toBe(200)
  expect(seen).toContainEqual(['acme', 'acme', '1.pdf', 'a', true])
  expect(seen).toContainEqual(['acme', 'acme', '1.pdf', 'a', 700])
  expect(seen).toContainEqual(['acme', 'acme', '2.png', 'b', PNG.length])
})

it('progress whose function throws ends the upload, and the process lives', async () => {
  const onProgress = () => {
    throw new Error('the window was closed')
  }
  const { status, keys } = await keysAfter({ engine: { onProgress } }, [
    file('a', '1.pdf', padded(PDF, 300_000)),
  ])
  expect([status, keys]).toEqual([500, []])
})

it('an option that does not exist, or a value that means nothing, is refused', async () => {
  const { storage } = await uploadApp()
  const make = (options: object) => () => tenantStorage(storage, { folder: 'files' }, options)
  expect(make({ discrad: 'all' })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  expect(make({ onProgress: 'yes' })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  expect(make({ discard: 'claimed' })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
})
