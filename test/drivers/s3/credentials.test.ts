import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const START = Date.UTC(2026, 10, 23)

interface Lease {
  life: number
  fails: boolean
  loads: number
}

/** A driver whose credentials come from a role: each set lives for `lease.life` milliseconds. */
function driverOnLease(lease: Lease): S3Driver {
  return new S3Driver({
    bucket: 'acme',
    region: 'eu-west-1',
    credentials: async () => {
      if (lease.fails) throw new Error('the role is gone')
      lease.loads++
      const expiration = new Date(Date.now() + lease.life)
      return {
        accessKeyId: `KEY${lease.loads}`,
        secretAccessKey: 'secret',
        sessionToken: 'token',
        expiration,
      }
    },
  })
}

const sign = (driver: S3Driver, expiresIn = 600) =>
  driver.signUrl('a.txt', { method: 'GET', expiresIn, at: Date.now() })
const parameter = (url: string, name: string) => new URL(url).searchParams.get(`X-Amz-${name}`)
const keyOf = (url: string) => parameter(url, 'Credential')?.split('/')[0]

describe('signing with credentials that expire', () => {
  let driver: S3Driver | undefined
  beforeEach(() => void vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(async () => {
    await driver?.close()
    vi.useRealTimers()
  })

  it('is ERR_NOT_READY before ready', () => {
    driver = driverOnLease({ life: HOUR, fails: false, loads: 0 })
    expect(() => sign(driver!)).toThrow(expect.objectContaining({ code: 'ERR_NOT_READY' }))
  })

  it('makes no URL that outlives them', async () => {
    driver = driverOnLease({ life: HOUR, fails: false, loads: 0 })
    await driver.ready()
    expect(parameter(sign(driver, 600), 'Expires')).toBe('600')
    expect(parameter(sign(driver, 86_400), 'Expires')).toBe('3600')
    vi.setSystemTime(START + 1_000 * SECOND)
    expect(parameter(sign(driver, 86_400), 'Expires')).toBe('2600')
  })

  it('loads them once for many calls of ready', async () => {
    const lease = { life: HOUR, fails: false, loads: 0 }
    driver = driverOnLease(lease)
    await Promise.all([driver.ready(), driver.ready(), driver.ready()])
    await driver.ready()
    expect(lease.loads).toBe(1)
  })

  it('counts their life from the start of a window, so that all URLs of the window are the same', async () => {
    driver = driverOnLease({ life: HOUR, fails: false, loads: 0 })
    await driver.ready()
    const at = START - 1_000 * SECOND
    const url = () => driver!.signUrl('a.txt', { method: 'GET', expiresIn: 86_400, at })
    expect(parameter(url(), 'Expires')).toBe('4600')
    const first = url()
    vi.setSystemTime(START + 600 * SECOND)
    expect(url()).toBe(first)
  })

  it('loads them once for a hundred calls at the same time, and once for a refresh', async () => {
    const lease = { life: HOUR, fails: false, loads: 0 }
    driver = driverOnLease(lease)
    await Promise.all(Array.from({ length: 100 }, () => driver?.ready()))
    expect(lease.loads).toBe(1)
    await vi.advanceTimersByTimeAsync(HOUR - 200 * SECOND)
    await Promise.all(Array.from({ length: 100 }, () => driver?.ready()))
    for (let time = 0; time < 100; time++) sign(driver)
    expect(lease.loads).toBe(2)
  })

  it('works with ones that live for five seconds', async () => {
    const lease = { life: 5 * SECOND, fails: false, loads: 0 }
    driver = driverOnLease(lease)
    await driver.ready()
    expect(parameter(sign(driver), 'Expires')).toBe('5')
    const first = keyOf(sign(driver))
    await vi.advanceTimersByTimeAsync(3 * SECOND)
    expect(keyOf(sign(driver))).not.toBe(first)
    await vi.advanceTimersByTimeAsync(60 * SECOND)
    expect(Number(parameter(sign(driver), 'Expires'))).toBeLessThanOrEqual(5)
    // The SDK asks anew on each call this close to the end, beside our refresh every 2.5 seconds.
    expect(lease.loads).toBeLessThan(60)
  })

  it('makes no URL that outlives them when the clock is set back', async () => {
    driver = driverOnLease({ life: HOUR, fails: false, loads: 0 })
    await driver.ready()
    vi.setSystemTime(START - HOUR)
    const url = sign(driver, 86_400)
    expect(parameter(url, 'Date')).toBe('20261122T230000Z')
    expect(parameter(url, 'Expires')).toBe('7200')
  })

  it('says what to do where none can be had, and keeps the reason', async () => {
    driver = driverOnLease({ life: HOUR, fails: true, loads: 0 })
    await expect(driver.ready()).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('credentials'),
      cause: { message: 'the role is gone' },
    })
    expect(() => sign(driver!)).toThrow(expect.objectContaining({ code: 'ERR_NOT_READY' }))
  })

  it('uses new ones before the old ones end, without being asked', async () => {
    const lease = { life: HOUR, fails: false, loads: 0 }
    driver = driverOnLease(lease)
    await driver.ready()
    expect(keyOf(sign(driver))).toBe('KEY1')
    await vi.advanceTimersByTimeAsync(HOUR - 200 * SECOND)
    expect(keyOf(sign(driver))).toBe('KEY2')
    await vi.advanceTimersByTimeAsync(10 * HOUR)
    expect(lease.loads).toBeGreaterThan(10)
    expect(parameter(sign(driver, 60), 'Expires')).toBe('60')
  })

  it('keeps the old ones while new ones cannot be had, and comes back', async () => {
    const lease = { life: HOUR, fails: false, loads: 0 }
    driver = driverOnLease(lease)
    await driver.ready()
    lease.fails = true
    await vi.advanceTimersByTimeAsync(HOUR - 60 * SECOND)
    expect(keyOf(sign(driver))).toBe('KEY1')
    expect(parameter(sign(driver), 'Expires')).toBe('60')
    await vi.advanceTimersByTimeAsync(90 * SECOND)
    expect(() => sign(driver!)).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_READY',
        cause: expect.objectContaining({ message: 'the role is gone' }),
      }),
    )
    lease.fails = false
    await vi.advanceTimersByTimeAsync(40 * SECOND)
    expect(keyOf(sign(driver))).toBe('KEY2')
  })

  it('can be made ready again after a failure', async () => {
    const lease = { life: HOUR, fails: true, loads: 0 }
    driver = driverOnLease(lease)
    await expect(driver.ready()).rejects.toMatchObject({ name: 'StorageError' })
    lease.fails = false
    await driver.ready()
    expect(keyOf(sign(driver))).toBe('KEY1')
  })

  it('asks for nothing any more after close', async () => {
    const lease = { life: HOUR, fails: false, loads: 0 }
    driver = driverOnLease(lease)
    await driver.ready()
    await driver.close()
    await vi.advanceTimersByTimeAsync(5 * HOUR)
    expect(lease.loads).toBe(1)
  })

  it.each([0, -1, 1.5, 604_801, Number.NaN])('refuses a life of %s seconds', async expiresIn => {
    driver = driverOnLease({ life: 1_000 * HOUR, fails: false, loads: 0 })
    await driver.ready()
    expect(() => sign(driver!, expiresIn)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})

it('signing with plain keys needs no timer', async () => {
  const driver = new S3Driver({
    bucket: 'acme',
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
  await driver.ready()
  expect(parameter(sign(driver, 604_800), 'Expires')).toBe('604800')
})
