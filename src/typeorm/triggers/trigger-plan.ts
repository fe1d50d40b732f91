import type { EntityMetadata } from 'typeorm'
import type { KeySpace } from '../../core/key.js'
import type { Storage } from '../../core/storage.js'
import { fateOf, fateOnRemoval } from '../fate.js'
import type { FileEntities } from '../file-metadata.js'
import type { LedgerSql } from '../ledger-sql.js'
import { releaseSet } from '../release-statements.js'
import { literal } from './sql-text.js'

/** A file column, by its name in the database, and what becomes of its files. */
export interface TriggerColumn {
  readonly name: string
  /** What is set in the ledger's line of a file whose row is gone. */
  readonly onRemove: string
  /** The same for a file that was replaced in its row. */
  readonly onReplace: string
}

/** All that the triggers of one table are made of. */
export interface TriggerPlan {
  readonly tablePath: string
  readonly tableName: string
  readonly columns: readonly TriggerColumn[]
  readonly disks: readonly DiskSpace[]
  /** The ledger's table, quoted. */
  readonly ledger: string
}

/** Where the files of a disk lie. */
export interface DiskSpace extends KeySpace {
  readonly name: string
}

/** The plan for the table of an entity: the children of one table share it. */
export function triggerPlan(
  metadata: EntityMetadata,
  entities: FileEntities,
  storage: Storage,
  ledger: LedgerSql,
): TriggerPlan {
  const { tablePath, tableName } = metadata
  const columns = new Map<string, TriggerColumn>()
  for (const [entity, files] of entities) {
    if (entity.tablePath !== tablePath) continue
    for (const file of files) {
      const name = file.column.databaseName
      columns.set(name, {
        name,
        onRemove: releaseSet(ledger.dialect, fateOnRemoval(file)),
        onReplace: releaseSet(ledger.dialect, fateOf(file)),
      })
    }
  }
  return {
    tablePath,
    tableName,
    columns: [...columns.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    disks: diskSpaces(storage),
    ledger: ledger.table,
  }
}

export function diskSpaces(storage: Storage): DiskSpace[] {
  return storage.diskNames.map(name => {
    const { location, tenancy } = storage.disk(name).options
    return { name, location, tenancy }
  })
}

/** What a database says differently in {@link objectKeySql}. */
export interface KeyParts {
  readonly disk: string
  readonly tenant: string
  readonly key: string
  /** A condition that holds for tenant ids only. */
  readonly isTenantId: string
}

/**
 * The object key as core/key.ts builds it, said in SQL; a test compares the two. NULL where there is none. A key that
 * core/key.ts would refuse comes out as it is: no line of the ledger has it.
 */
export function objectKeySql(disks: readonly DiskSpace[], parts: KeyParts): string {
  const cases = disks.map(({ name, location, tenancy }) => {
    const start = literal(`${location}/${tenancy === 'shared' ? 'shared/' : ''}`)
    const key =
      tenancy === 'required'
        ? `CASE WHEN ${parts.isTenantId} THEN ${start} || ${parts.tenant} || '/' || ${parts.key} END`
        : `${start} || ${parts.key}`
    return `WHEN ${literal(name)} THEN ${key}`
  })
  return `CASE ${parts.disk} ${cases.join(' ')} END`
}
