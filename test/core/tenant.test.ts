import { setTimeout as sleep, setImmediate as tick } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { onStorageEvent } from '../../src/core/events.js'
import {
  bindTenant,
  boundTenant,
  getTenant,
  isSystem,
  runAsSystem,
  runWithTenant,
  tryGetTenant,
} from '../../src/core/tenant.js'
import { thrownCode } from './errors-of.js'

describe('runWithTenant', () => {
  it('gives what the function gives', () => {
    expect(runWithTenant('acme', () => 7)).toBe(7)
  })

  it('makes the tenant current before and after every await', async () => {
    await runWithTenant('acme', async () => {
      expect(getTenant()).toBe('acme')
      await sleep(1)
      expect(getTenant()).toBe('acme')
      await Promise.all([tick().then(() => expect(getTenant()).toBe('acme'))])
    })
  })

  it('gives the outer tenant back after an inner one', async () => {
    await runWithTenant('acme', async () => {
      await runWithTenant('acme-corp', async () => {
        await tick()
        expect(getTenant()).toBe('acme-corp')
      })
      expect(getTenant()).toBe('acme')
    })
    expect(tryGetTenant()).toBeUndefined()
  })

  it('keeps the inner tenant in work that outlives it', async () => {
    let inner: Promise<string> = Promise.resolve('')
    runWithTenant('acme', () => {
      inner = sleep(5).then(() => getTenant())
    })
    await runWithTenant('globex', async () => expect(await inner).toBe('acme'))
  })

  it('leaves no tenant behind when the function throws', () => {
    const broken = () => {
      throw new Error('broken')
    }
    expect(() => runWithTenant('acme', broken)).toThrow('broken')
    expect(tryGetTenant()).toBeUndefined()
  })

  it('leaves no tenant behind when the promise rejects', async () => {
    const broken = runWithTenant('acme', async () => {
      await tick()
      throw new Error('broken')
    })
    await expect(broken).rejects.toThrow('broken')
    expect(tryGetTenant()).toBeUndefined()
  })

  it.each(['', ' ', '..', 'shared', 'a/b', undefined])(
    'refuses the tenant %j before it calls the function',
    id => {
      let called = false
      const run = () =>
        runWithTenant(id as string, () => {
          called = true
        })
      expect(thrownCode(run)).toBe('ERR_TENANT_INVALID')
      expect(called).toBe(false)
    },
  )

  it('never mixes tenants up, however their promises interleave', async () => {
    const job = fc.record({
      tenant: fc.constantFrom('t1', 't10', 'T1', 't1-x'),
      pauses: fc.array(fc.nat(3), { maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(job, { minLength: 2, maxLength: 10 }), async jobs => {
        const runs = jobs.map(({ tenant, pauses }) =>
          runWithTenant(tenant, async () => {
            for (const pause of pauses) {
              await (pause === 0 ? tick() : sleep(pause))
              expect(getTenant()).toBe(tenant)
            }
            return getTenant()
          }),
        )
        expect(await Promise.all(runs)).toEqual(jobs.map(({ tenant }) => tenant))
      }),
      { numRuns: 30 },
    )
  })
})

describe('getTenant', () => {
  it('throws where there is no tenant', () => {
    expect(thrownCode(getTenant)).toBe('ERR_TENANT_REQUIRED')
  })

  it('throws under runAsSystem, also inside of a tenant', () => {
    runWithTenant('acme', () =>
      runAsSystem('a test', () => {
        expect(thrownCode(getTenant)).toBe('ERR_TENANT_REQUIRED')
        expect(tryGetTenant()).toBeUndefined()
      }),
    )
  })
})

describe('runAsSystem', () => {
  it('is an event with its reason', () => {
    const seen: string[] = []
    const stop = onStorageEvent('system', ({ reason }) => void seen.push(reason))
    runAsSystem('nightly reconcile', () => {})
    stop()
    runAsSystem('nobody listens any more', () => {})
    expect(seen).toEqual(['nightly reconcile'])
  })

  it.each(['', '  ', undefined, null])('needs a reason; %j is none', reason => {
    expect(thrownCode(() => runAsSystem(reason as string, () => {}))).toBe('ERR_CONFIG')
  })

  it('ends with the function, and does not reach into a tenant inside of it', async () => {
    await runAsSystem('a test', async () => {
      await tick()
      expect(isSystem()).toBe(true)
      runWithTenant('acme', () => expect(isSystem()).toBe(false))
      expect(isSystem()).toBe(true)
    })
    expect(isSystem()).toBe(false)
  })

  it('does not survive an error', () => {
    expect(() =>
      runAsSystem('a test', () => {
        throw new Error('broken')
      }),
    ).toThrow('broken')
    expect(isSystem()).toBe(false)
  })
})

describe('bindTenant', () => {
  it('ties a tenant to one request object and no other', () => {
    const [mine, other] = [{}, {}]
    bindTenant(mine, 'acme')
    expect(boundTenant(mine)).toBe('acme')
    expect(boundTenant(other)).toBeUndefined()
    expect(boundTenant({ ...mine })).toBeUndefined()
  })

  it('refuses a bad tenant and leaves the request unbound', () => {
    const request = {}
    expect(thrownCode(() => bindTenant(request, '../x'))).toBe('ERR_TENANT_INVALID')
    expect(boundTenant(request)).toBeUndefined()
  })

  it('puts nothing on the request that a client could see or forge', () => {
    const request = { tenant: 'evil' }
    expect(boundTenant(request)).toBeUndefined()
    bindTenant(request, 'acme')
    expect(Reflect.ownKeys(request)).toEqual(['tenant'])
  })
})
