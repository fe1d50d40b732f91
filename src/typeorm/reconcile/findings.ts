import { SHARED_TENANT } from '../../core/key.js'
import type { LedgerState } from '../ledger-table.js'
import type { Known } from './merge.js'
import type { Scope } from './scope.js'

/** What {@link reconcile} finds; `docs/how-to/reconcile.md` says what each means and what mends it. */
export const FINDING_KINDS = [
  'orphan',
  'dangling',
  'row-without-line',
  'row-unclaimed',
  'line-without-row',
  'line-without-object',
  'size-differs',
  'sha-differs',
  'two-rows',
  'wrong-tenant',
  'unreadable',
  'unknown-key',
  'open-upload',
] as const

/** One of the kinds of findings. */
export type FindingKind = (typeof FINDING_KINDS)[number]

/** What was done about a finding. */
export type Mending =
  /** The row has its line now: nobody deletes its bytes. */
  | 'attached'
  /** The ledger has it to be deleted; the reaper will. */
  | 'queued'

/** A row that has to do with a finding. */
export interface FindingRow {
  /** Entity and property, for example `OrderFile.file`. */
  readonly field: string
  /** The primary key by property, as text. */
  readonly id: Readonly<Record<string, string>>
}

/** Something that is not as it should be. */
export interface Finding {
  readonly kind: FindingKind
  readonly backend: string
  /** The whole key; empty where nobody knows it. */
  readonly objectKey: string
  /** Null where the key does not tell. */
  readonly disk: string | null
  readonly tenant: string | null
  readonly rows: readonly FindingRow[]
  /** What the ledger says of the key. */
  readonly state: LedgerState | null
  /** One sentence. */
  readonly says: string
  readonly mended?: Mending
}

/** What is judged by. */
export interface Standards {
  readonly scope: Scope
  /** Lines that changed since then are not missed by rows yet; by the database's clock. */
  readonly linesBefore: number
  /** Objects that came since then are no orphans yet; by the clock of this process. */
  readonly objectsBefore: number
  /** Whether all rows are known, so that one can be missing. */
  readonly allRows: boolean
}

/** What is wrong with a key. */
export type Verdict = Pick<Finding, 'kind' | 'says'>

/** Judges what is known of one key, but for the bytes. */
export function judge(known: Known, standards: Standards): Verdict[] {
  const place = standards.scope.locate(known.objectKey)
  if (place === undefined) return [{ kind: 'unknown-key', says: 'The key is of none of the disks.' }]
  if (!standards.scope.isOurs(place.tenant)) return []
  const presence = known.object === undefined ? withoutObject(known, standards) : withObject(known, standards)
  const verdicts = presence === undefined ? [] : [presence]
  if (known.rows.length > 1)
    verdicts.push({ kind: 'two-rows', says: 'Several rows hold this file; it goes with the first of them.' })
  return [...verdicts, ...sizes(known), ...owners(known, place)]
}

function withObject({ rows, line, object }: Known, standards: Standards): Verdict | undefined {
  if (rows.length > 0) {
    if (line === undefined)
      return { kind: 'row-without-line', says: 'The ledger does not know the file of this row.' }
    if (line.state === 'attached') return undefined
    return { kind: 'row-unclaimed', says: `A row holds this file, and in the ledger it is ${line.state}.` }
  }
  if (!standards.allRows) return undefined
  if (line === undefined) {
    const isOld = Number(object?.lastModified) < standards.objectsBefore
    return isOld ? { kind: 'orphan', says: 'Neither a row nor the ledger knows this object.' } : undefined
  }
  const isMissed = line.state === 'attached' && line.updatedAt < standards.linesBefore
  return isMissed
    ? { kind: 'line-without-row', says: 'The ledger says that a row holds this file, and none does.' }
    : undefined
}

function withoutObject({ rows, line }: Known, standards: Standards): Verdict | undefined {
  if (rows.length > 0)
    return { kind: 'dangling', says: 'A row holds this file, and its bytes are not there.' }
  const isMissed =
    standards.allRows &&
    (line?.state === 'attached' || line?.state === 'kept') &&
    line.updatedAt < standards.linesBefore
  return isMissed
    ? {
        kind: 'line-without-object',
        says: `In the ledger this file is ${line.state}; it has neither bytes nor a row.`,
      }
    : undefined
}

function sizes({ rows, line, object }: Known): Verdict[] {
  if (object === undefined) return []
  const { size } = object
  const said = [line?.size, ...rows.map(row => row.size)]
  const other = said.find(each => each !== null && each !== undefined && each !== size)
  if (other === undefined) return []
  return [{ kind: 'size-differs', says: `${size} bytes are stored; ${other} were expected.` }]
}

function owners({ rows, line }: Known, place: { disk: string; tenant: string | null }): Verdict[] {
  if (line !== undefined && (line.disk !== place.disk || line.tenant !== place.tenant)) {
    return [
      {
        kind: 'wrong-tenant',
        says: `The ledger has it as a file of ${line.tenant} on the disk ${line.disk}.`,
      },
    ]
  }
  if (place.tenant === null || place.tenant === SHARED_TENANT) return []
  const stranger = rows.find(({ owner }) => owner !== undefined && owner !== place.tenant)
  if (stranger === undefined) return []
  return [{ kind: 'wrong-tenant', says: `The row is of the tenant ${stranger.owner}.` }]
}

/** A finding of one key. */
export function findingOf(known: Known, { kind, says }: Verdict, scope: Scope): Finding {
  const place = scope.locate(known.objectKey)
  return {
    kind,
    backend: known.backend,
    objectKey: known.objectKey,
    disk: place?.disk ?? null,
    tenant: place?.tenant ?? null,
    rows: known.rows.map(({ table, column, id }) => rowOf(table, column, id)),
    state: known.line?.state ?? null,
    says,
  }
}

/** A row, for people. */
export function rowOf(
  table: Known['rows'][number]['table'],
  column: number,
  id: readonly string[],
): FindingRow {
  return {
    field: table.columns[column]?.name ?? table.entity,
    id: Object.fromEntries(table.idNames.map((name, index) => [name, id[index] ?? ''])),
  }
}
