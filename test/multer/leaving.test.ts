import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, test, vi } from 'vitest'
import { StorageError } from '../../src/core/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { PDF, padded } from '../upload/sample-files.js'
import { failOnUnhandled } from '../upload/support.js'
import { file, type Refusal, uploadApp } from './upload-app.js'

failOnUnhandled()

const BIG = padded('%PDF-1.4\n', 400_000)

type App = Awaited<ReturnType<typeof uploadApp>>

/** Once Express has heard of the failure, everything is cleaned up. */
async function expectNothingLeft(app: App): Promise<void> {
  await vi.waitFor(() => expect(app.errors).toHaveLength(1), 3_000)
  await vi.waitFor(async () => expect(await app.keys()).toEqual([]), 3_000)
  expect(app.handled).toEqual([])
  const open = app.ledger.lines.filter(line => line === 'stage').length
  const ended = app.ledger.lines.filter(line => ['abandon', 'leave', 'discard'].includes(line)).length
  expect(ended).toBe(open)
}

describe('a client that leaves', () => {
  test.each([0, 1, 170, 200, 5_000, 70_000, 200_000, 399_999])(
    'after %i bytes leaves nothing',
    async abortAfter => {
      const app = await uploadApp()
      const leaving = app.send([file('a', 'a.pdf', BIG)], { abortAfter })
      await expect(leaving).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
      await expectNothingLeft(app)
    },
  )

  it('within the second file leaves nothing of the first', async () => {
    const app = await uploadApp()
    const parts = [file('a', '1.pdf', PDF), file('a', '2.pdf', BIG)]
    await app.send(parts, { abortAfter: 300_000 }).catch(() => {})
    await expectNothingLeft(app)
    expect(app.ledger.lines).toContain('discard')
  })

  it('after the last byte, while the backend is slow, leaves nothing', async () => {
    for (const body of [PDF, BIG]) {
      const app = await uploadApp()
      const abort = new AbortController()
      app.driver.after = async () => {
        abort.abort()
        await sleep(200)
      }
      await app.send([file('a', 'a.pdf', body)], { signal: abort.signal }).catch(() => {})
      await expectNothingLeft(app)
    }
  })

  it('after the last byte, while the backend stalls, ends the wait', async () => {
    const app = await uploadApp()
    const abort = new AbortController()
    app.driver.before = async (_key, _body, { signal }) => {
      setTimeout(() => abort.abort(), 50)
      if (signal !== undefined) await once(signal, 'abort')
      throw new StorageError('ERR_UPLOAD_ABORTED', 'given up')
    }
    await app.send([file('a', 'a.pdf', PDF)], { signal: abort.signal }).catch(() => {})
    await expectNothingLeft(app)
  })

  it('while the second of two files is stored leaves nothing of either', async () => {
    const app = await uploadApp()
    const abort = new AbortController()
    app.driver.after = async () => {
      if (app.driver.puts < 2) return
      abort.abort()
      await sleep(200)
    }
    const parts = [file('a', '1.pdf', PDF), file('a', '2.pdf', PDF)]
    await app.send(parts, { signal: abort.signal }).catch(() => {})
    await expectNothingLeft(app)
  })

  it('before the drivers are loaded leaves nothing', async () => {
    const app = await uploadApp()
    const abort = new AbortController()
    vi.spyOn(app.driver, 'ready').mockImplementation(async () => {
      abort.abort()
      await sleep(100)
    })
    await app.send([file('a', 'a.pdf', PDF)], { signal: abort.signal }).catch(() => {})
    await expectNothingLeft(app)
    expect(app.driver.puts).toBe(0)
  })
})

describe('a form of many files', () => {
  it('is watched without a warning of too many listeners', async () => {
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    const app = await uploadApp()
    app.driver.after = () => sleep(100)
    const parts = Array.from({ length: 30 }, (_each, index) => file('a', `${index}.pdf`, PDF))
    expect((await app.send(parts)).status).toBe(200)
    await sleep(10)
    process.off('warning', note)
    expect(warnings).toEqual([])
    expect(await app.keys()).toHaveLength(30)
  })
})

describe('removing', () => {
  it('removes exactly the file that was stored, and none of another upload', async () => {
    const app = await uploadApp()
    expect((await app.send([file('a', '1.pdf', PDF)])).status).toBe(200)
    const before = await app.keys()
    expect((await app.send([file('a', '2.pdf', PDF), file('a', '3.pdf', '')])).status).toBe(400)
    expect(await app.keys()).toEqual(before)
  })

  it('keeps a file that a row has claimed meanwhile', async () => {
    const app = await uploadApp()
    app.driver.after = key => void app.ledger.claimed.add(key)
    expect((await app.send([file('a', '1.pdf', PDF), file('a', '2.pdf', '')])).status).toBe(400)
    expect(await app.keys()).toHaveLength(1)
  })

  it('takes no plain data for a file, whatever it names', async () => {
    const app = await uploadApp({
      ledger: 'none',
      route: upload => (req, res, next) => {
        upload.single('a')(req, res, () => {
          const forged = { ...req.file, stored: { ...req.file?.stored } } as Express.Multer.File
          const engine = tenantStorage(app.storage, { folder: 'files' })
          engine._removeFile(req, forged, error => next(error))
        })
      },
    })
    const response = await app.send([file('a', '1.pdf', PDF)])
    expect(response.json<Refusal>().error.code).toBe('ERR_FILE_FORGED')
  })

  it('that fails is told beside the first cause', async () => {
    const app = await uploadApp()
    app.ledger.failing.discard = new StorageError('ERR_LEDGER_BUSY', 'busy')
    expect((await app.send([file('a', '1.pdf', PDF), file('a', '2.pdf', '')])).status).toBe(400)
    expect(app.errors).toMatchObject([
      { code: 'ERR_FILE_EMPTY', storageErrors: [{ code: 'ERR_LEDGER_BUSY' }] },
    ])
  })
})

describe('a backend that fails', () => {
  it('is answered with its status, and without its message', async () => {
    const app = await uploadApp()
    app.driver.before = () => Promise.reject(new StorageError('ERR_BACKEND', 'host 10.0.0.7 is down'))
    const response = await app.send([file('a', 'a.pdf', BIG)])
    expect(response.status).toBe(502)
    expect(response.body.toString()).not.toContain('10.0.0.7')
    expect(await app.keys()).toEqual([])
  })
})

describe('a sender that stops sending', () => {
  it('is given up after the idle time, and nothing is left', async () => {
    const app = await uploadApp({ uploads: { idleTimeout: 0.1 } })
    const abort = new AbortController()
    const sending = app.send([file('a', 'a.pdf', BIG)], {
      chunkSize: 100_000,
      delay: 400,
      signal: abort.signal,
    })
    sending.catch(() => {})
    await vi.waitFor(() => expect(app.errors).toHaveLength(1), 3_000)
    abort.abort()
    await expectNothingLeft(app)
    expect(app.errors).toMatchObject([{ code: 'ERR_UPLOAD_TIMEOUT' }])
  })
})
