import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { GetOptions, PutBody, PutOptions } from '../../src/core/driver.js'
import { StorageError } from '../../src/core/errors.js'
import { FillingBody } from '../../src/core/filling-body.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { moveBytes } from '../../src/migrate/move-bytes.js'
import { RateLimit } from '../../src/migrate/rate-limit.js'
import { Tap, TappedBody } from '../../src/migrate/tap.js'
import { Trace } from '../../src/migrate/trace.js'
import { rulesOf } from '../../src/typeorm/index.js'
import { memoryStorage, upload } from '../typeorm/databases.js'
import { Parcel } from './town.js'

/** Longer than what is in memory as a whole. */
const LARGE = 'x'.repeat(2_000_000)

/** Its downloads fail a moment after they began. */
class FailingDriver extends MemoryDriver {
  override async get(key: string, options?: GetOptions) {
    const result = await super.get(key, options)
    const failure = new StorageError('ERR_BACKEND_TIMEOUT', 'The storage fell silent.')
    setTimeout(() => result.body.destroy(failure), 5)
    return result
  }
}

/** Takes its time before it reads what it is given. */
class ThinkingDriver extends MemoryDriver {
  override async put(key: string, body: PutBody, options: PutOptions) {
    await sleep(50)
    return super.put(key, body, options)
  }
}

it('fails with a download that breaks before anybody reads it, and ends no process', async () => {
  const storage = memoryStorage({ old: new FailingDriver(), new: new ThinkingDriver() })
  const file = await upload({ storage }, rulesOf(Parcel, 'file'), { body: LARGE })
  const rate = new RateLimit(Number.POSITIVE_INFINITY)
  const context = { storage, verify: 'size', rate, signal: undefined, trace: new Trace('new') } as const
  const moved = runWithTenant('acme', () => moveBytes(file, { ...file, backend: 'new' }, context))
  await expect(moved).rejects.toMatchObject({ code: 'ERR_BACKEND_TIMEOUT' })
})

class Zeros extends FillingBody {
  left = LARGE.length

  async fill(into: Uint8Array): Promise<number> {
    const length = Math.min(into.length, this.left)
    into.fill(0, 0, length)
    this.left -= length
    return length
  }
}

it('waits for its turn no longer than somebody wants the bytes, however slow the rate', async () => {
  const tap = new Tap({ verify: 'size', rate: new RateLimit(100), signal: undefined })
  const body = new TappedBody(new Zeros(), tap)
  await body.fill(Buffer.alloc(100_000)) // is paid for in a thousand seconds
  const waiting = body.fill(Buffer.alloc(100_000))
  body.destroy()
  await expect(waiting).rejects.toThrow('aborted')
})
