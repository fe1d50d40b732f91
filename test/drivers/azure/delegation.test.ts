import {
  BlobSASPermissions,
  ContainerClient,
  generateBlobSASQueryParameters,
  SASProtocol,
  type UserDelegationKey,
} from '@azure/storage-blob'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DelegationKeys } from '../../../src/drivers/azure/delegation-key.js'
import { SAS_VERSION, SasSigner } from '../../../src/drivers/azure/sas-signer.js'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR
const NOON = Date.UTC(2026, 10, 23, 12)
const START = NOON + 2 * HOUR

interface Service {
  fails: boolean
  loads: { startsOn: Date; expiresOn: Date }[]
}

function keysOf(service: Service): DelegationKeys {
  return new DelegationKeys(async (startsOn, expiresOn) => {
    if (service.fails) throw new Error('Entra is gone')
    service.loads.push({ startsOn, expiresOn })
    return delegationKey(startsOn, expiresOn, `key ${service.loads.length}`)
  })
}

function delegationKey(signedStartsOn: Date, signedExpiresOn: Date, value: string): UserDelegationKey {
  return {
    signedObjectId: '11111111-1111-1111-1111-111111111111',
    signedTenantId: '22222222-2222-2222-2222-222222222222',
    signedStartsOn,
    signedExpiresOn,
    signedService: 'b',
    signedVersion: '2026-04-06',
    value: Buffer.from(value).toString('base64'),
  }
}

const nameOf = (key: UserDelegationKey) => Buffer.from(key.value, 'base64').toString()

describe('the user delegation key', () => {
  let keys: DelegationKeys | undefined
  beforeEach(() => void vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => {
    keys?.stop()
    vi.useRealTimers()
  })

  it('is ERR_NOT_READY before it is loaded', () => {
    keys = keysOf({ fails: false, loads: [] })
    expect(() => keys?.current()).toThrow(expect.objectContaining({ code: 'ERR_NOT_READY' }))
  })

  it('lives for seven days, from the last half day on, whenever it is asked for', async () => {
    for (const now of [START, START + HOUR, NOON + 16 * 60 * SECOND, NOON + 12 * HOUR]) {
      vi.setSystemTime(now)
      const service: Service = { fails: false, loads: [] }
      keys = keysOf(service)
      await keys.warm()
      expect(service.loads).toEqual([{ startsOn: new Date(NOON), expiresOn: new Date(NOON + 7 * DAY) }])
      keys.stop()
    }
  })

  it('is renewed every half day without being asked, after the clocks of all servers have begun it', async () => {
    const service: Service = { fails: false, loads: [] }
    keys = keysOf(service)
    await keys.warm()
    await vi.advanceTimersByTimeAsync(NOON + 12 * HOUR + 14 * 60 * SECOND - START)
    expect(nameOf(keys.current())).toBe('key 1')
    await vi.advanceTimersByTimeAsync(2 * 60 * SECOND)
    expect(nameOf(keys.current())).toBe('key 2')
    await vi.advanceTimersByTimeAsync(10 * DAY)
    expect(service.loads).toHaveLength(22)
    expect(new Set(service.loads.map(({ startsOn }) => startsOn.getTime())).size).toBe(22)
  })

  it('is kept while a new one cannot be had, until its last second, and comes back', async () => {
    const service: Service = { fails: false, loads: [] }
    keys = keysOf(service)
    await keys.warm()
    service.fails = true
    await vi.advanceTimersByTimeAsync(NOON + 7 * DAY - START - SECOND)
    expect(nameOf(keys.current())).toBe('key 1')
    await vi.advanceTimersByTimeAsync(2 * SECOND)
    expect(() => keys?.current()).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_READY',
        cause: expect.objectContaining({ message: 'Entra is gone' }),
      }),
    )
    service.fails = false
    await vi.advanceTimersByTimeAsync(61 * SECOND)
    expect(nameOf(keys.current())).toBe('key 2')
  })

  it('is asked for no more after stop, also where stop meets a request', async () => {
    const service: Service = { fails: false, loads: [] }
    keys = keysOf(service)
    const warm = keys.warm()
    keys.stop()
    await warm
    await vi.advanceTimersByTimeAsync(5 * DAY)
    expect(service.loads).toHaveLength(1)
  })
})

describe('signing by user delegation key', () => {
  const client = new ContainerClient('https://acme.blob.core.windows.net/files')
  const key = delegationKey(new Date(NOON), new Date(NOON + 7 * DAY), 'a key')
  const sign = (options: { at?: number; expiresIn?: number } = {}) =>
    new SasSigner(client).sign(
      "a b/é+(1)'.pdf",
      { method: 'GET', at: START, expiresIn: 3600, contentType: 'application/pdf', ...options },
      { delegated: key },
    )
  const parameter = (url: string, name: string) => new URL(url).searchParams.get(name)

  it("gives the SDK's URL", () => {
    const blobName = "a b/é+(1)'.pdf"
    const sas = generateBlobSASQueryParameters(
      {
        version: SAS_VERSION,
        containerName: 'files',
        blobName,
        permissions: BlobSASPermissions.parse('r'),
        startsOn: new Date(START - 900 * SECOND),
        expiresOn: new Date(START + HOUR),
        protocol: SASProtocol.Https,
        contentType: 'application/pdf',
      },
      key,
      'acme',
    )
    expect(sign()).toBe(`${client.getBlobClient(blobName).url}?${sas}`.replaceAll("'", '%27'))
    expect(parameter(sign(), 'skoid')).toBe(key.signedObjectId)
  })

  it('makes no URL that begins before the key or outlives it', () => {
    expect(parameter(sign({ at: NOON }), 'st')).toBe('2026-11-23T12:00:00Z')
    expect(parameter(sign({ at: NOON + 6 * DAY, expiresIn: 604_800 }), 'se')).toBe('2026-11-30T12:00:00Z')
  })

  it('gives the same URL for the same moment', () => {
    expect(sign()).toBe(sign())
    expect(sign({ at: START - SECOND })).not.toBe(sign())
  })
})
