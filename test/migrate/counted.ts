import type { Driver } from '../../src/core/driver.js'

/** A driver that does what another does, and how often it was asked for what. */
export interface CountedDriver {
  readonly driver: Driver
  readonly calls: Map<string, number>
}

/** Counts the calls of a driver by their methods. */
export function counted(inner: Driver): CountedDriver {
  const calls = new Map<string, number>()
  const driver = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...values: unknown[]) => {
        calls.set(String(name), (calls.get(String(name)) ?? 0) + 1)
        return value.apply(target, values)
      }
    },
  })
  return { driver, calls }
}
