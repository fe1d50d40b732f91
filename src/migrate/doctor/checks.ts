import type { DataSource, ObjectLiteral } from 'typeorm'
import { throwIfAborted } from '../../core/abort.js'
import type { Storage } from '../../core/storage.js'
import type { FilePlaces } from '../file-places.js'
import type { ColumnChoice } from '../one-column.js'

/** The steps of a move to another backend, as the how-to page counts them. */
export type Phase = 1 | 2 | 3 | 4 | 5

/** What was found out about one condition of a phase. */
export interface PhaseCheck {
  /** What was looked at. */
  readonly check: string
  /** `warning`: the phase may begin, and somebody should know. */
  readonly state: 'ok' | 'warning' | 'failed'
  /** For people: what is so, or what to do. */
  readonly detail: string
}

/** What a check gives; what it throws is `failed`. */
export type Finding = Pick<PhaseCheck, 'state' | 'detail'>

/** What the checks of one examination look at. */
export interface Examined {
  readonly dataSource: DataSource
  readonly storage: Storage
  readonly phase: Phase
  readonly to: string
  readonly from: string | undefined
  readonly tenant: string | undefined
  readonly signal: AbortSignal | undefined
  readonly choices: readonly ColumnChoice<ObjectLiteral>[]
  /** Rows are read once, however many checks look at them. */
  places(): Promise<FilePlaces>
}

/** One condition, and from which phase on it must hold. */
export interface Condition {
  readonly check: string
  readonly since: Phase
  examine(examined: Examined): Promise<Finding>
}

/** That everything is as it should be. */
export function ok(detail: string): Finding {
  return { state: 'ok', detail }
}

/** That the phase should not begin. */
export function failed(detail: string): Finding {
  return { state: 'failed', detail }
}

/** That somebody should know. */
export function warning(detail: string): Finding {
  return { state: 'warning', detail }
}

/** `1 row`, `2 rows`. */
export function many(count: number, one: string): string {
  return `${count.toLocaleString('en')} ${one}${count === 1 ? '' : 's'}`
}

/** Looks whether a condition holds. @throws ERR_UPLOAD_ABORTED for the signal alone */
export async function examine({ check, examine }: Condition, examined: Examined): Promise<PhaseCheck> {
  throwIfAborted(examined.signal)
  try {
    return { check, ...(await examine(examined)) }
  } catch (error) {
    throwIfAborted(examined.signal)
    const { code, message } = Object(error)
    const reason = typeof message === 'string' && message !== '' ? message : String(error)
    return { check, ...failed(typeof code === 'string' ? `${code}: ${reason}` : reason) }
  }
}
