import type { DataSource } from 'typeorm'

// Two copies of this package must not bind one DataSource twice either.
const BOUND = Symbol.for('tenant-files.bound')

/** What is known of the binding of a DataSource, whichever copy of this package made it. */
export interface Bound {
  readonly storage?: unknown
}

/** Lets {@link boundTo} find the binding of a DataSource. */
export function markBound(dataSource: DataSource, binding: Bound): void {
  Object.defineProperty(dataSource, BOUND, { value: binding })
}

/**
 * What a DataSource is bound to. It may come from another copy of this package, whose classes are not ours.
 *
 * @returns undefined for one that was not given to `withFiles`
 */
export function boundTo(dataSource: DataSource): Bound | undefined {
  return (dataSource as { [BOUND]?: Bound } | undefined)?.[BOUND]
}
