import type { DataSource, ObjectLiteral } from 'typeorm'
import { throwIfAborted } from '../core/abort.js'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import { homeOf, type StoredFile } from '../core/stored-file.js'
import { runAsSystem } from '../core/tenant.js'
import { FileTable } from '../typeorm/file-table.js'
import { filesIn, isOld } from './cell.js'
import { everyFileColumn } from './file-columns.js'
import { type ChosenColumns, chosenColumns, type MigrateEntity } from './one-column.js'
import { rowsOfEntity } from './rows-of-entity.js'

/** Which files to count. */
export interface FilePlacesOptions<E extends ObjectLiteral> {
  /** Given to `withFiles`, and initialized. */
  readonly dataSource: DataSource
  /** Default: every entity with file columns. */
  readonly entity?: MigrateEntity<E>
  /** One file column of the entity. Default: all. */
  readonly property?: string
  /** Only the files of this tenant. */
  readonly tenant?: string
  /** Ends it early. */
  readonly signal?: AbortSignal
}

/** The files that rows of one column have on one backend for one tenant. */
export interface FilePlace {
  readonly entity: string
  readonly property: string
  readonly tenant: string | null
  /** As the rows name it; it may be none of the storage. */
  readonly backend: string
  readonly rows: number
  /** More than rows where the column holds lists. */
  readonly files: number
  /** As the rows tell; what a plain path names counts as 0. */
  readonly bytes: number
  /** Files of these whose text is a plain path still. */
  readonly plain: number
}

/** Rows whose text names no file of the storage. */
export interface UnreadableTexts {
  readonly entity: string
  readonly property: string
  readonly rows: number
}

/** Where the files of rows lie. */
export interface FilePlaces {
  /** In the order of entity, property, tenant and backend. */
  readonly places: readonly FilePlace[]
  /** Of one tenant alone none are known. */
  readonly unreadable: readonly UnreadableTexts[]
}

/**
 * Counts where files lie, by what the rows say: softly removed ones too. It reads all rows, page by page, and remembers
 * nothing of them but the counts. No backend is asked.
 *
 * Runs under `runAsSystem` (event `system`).
 *
 * @throws ERR_CONFIG, ERR_LEDGER_NOT_READY, ERR_UPLOAD_ABORTED for the signal, and the database's errors
 * @example
 * const { places } = await filePlaces({ dataSource, entity: OrderFile })
 * const left = places.filter(({ backend }) => backend === 'local')
 */
export async function filePlaces<E extends ObjectLiteral>(
  options: FilePlacesOptions<E>,
): Promise<FilePlaces> {
  assertKnownOptions('filePlaces', options, {
    ...{ dataSource: 'known', entity: 'known', property: 'known', tenant: 'known', signal: 'known' },
  })
  const { dataSource, entity, property } = options
  if (entity === undefined && property !== undefined)
    throw new StorageError('ERR_CONFIG', 'filePlaces: property is one of an entity; name that too.')
  const choices = entity === undefined ? everyFileColumn(dataSource) : [{ dataSource, entity, property }]
  const counts = new Counts()
  await runAsSystem('count where files lie', async () => {
    for (const choice of choices) await countTable(chosenColumns(choice), options, counts)
  })
  return counts.result()
}

async function countTable(
  chosen: ChosenColumns,
  { tenant, signal }: Pick<FilePlacesOptions<ObjectLiteral>, 'tenant' | 'signal'>,
  counts: Counts,
): Promise<void> {
  const { binding, metadata, columns } = chosen
  const { storage, sql } = binding
  const isReadable = (file: StoredFile) =>
    homeOf(file) === storage && storage.diskNames.includes(file.disk) && file.backend !== ''
  const named = columns.map(of => ({ name: of.column.propertyPath, of }))
  const table = new FileTable(metadata, named, undefined, sql)
  for await (const { texts } of rowsOfEntity(table, chosen)) {
    throwIfAborted(signal)
    for (const [index, { name, of }] of named.entries()) {
      const files = filesIn(of, texts[index] ?? '')
      const cell = { entity: metadata.name, property: name }
      const known = files.filter(isReadable)
      if (known.length < files.length && tenant === undefined) counts.addUnreadable(cell)
      const wanted = known.filter(file => tenant === undefined || file.tenant === tenant)
      counts.add(cell, wanted)
    }
  }
}

type Cell = Pick<FilePlace, 'entity' | 'property'>
type Counted = { -readonly [Name in keyof FilePlace]: FilePlace[Name] }

class Counts {
  readonly #places = new Map<string, Counted>()
  readonly #unreadable = new Map<
    string,
    { -readonly [Name in keyof UnreadableTexts]: UnreadableTexts[Name] }
  >()

  /** The files of one cell. */
  add(cell: Cell, files: readonly StoredFile[]): void {
    const seen = new Set<Counted>()
    for (const file of files) {
      const { tenant, backend, size, storedSize } = file
      const place = this.#place(cell, tenant, backend)
      if (!seen.has(place)) place.rows++
      seen.add(place)
      place.files++
      place.bytes += storedSize ?? size
      if (isOld(file)) place.plain++
    }
  }

  addUnreadable(cell: Cell): void {
    const name = nameOf(cell)
    const texts = this.#unreadable.get(name) ?? { ...cell, rows: 0 }
    texts.rows++
    this.#unreadable.set(name, texts)
  }

  result(): FilePlaces {
    return { places: inOrder(this.#places), unreadable: inOrder(this.#unreadable) }
  }

  #place(cell: Cell, tenant: string | null, backend: string): Counted {
    const name = nameOf({ ...cell, tenant, backend })
    const known = this.#places.get(name)
    if (known !== undefined) return known
    const place = { ...cell, tenant, backend, rows: 0, files: 0, bytes: 0, plain: 0 }
    this.#places.set(name, place)
    return place
  }
}

function nameOf({ entity, property, tenant, backend }: Cell & Partial<FilePlace>): string {
  return [entity, property, tenant ?? '', backend ?? ''].join('\0')
}

function inOrder<T>(counted: ReadonlyMap<string, T>): T[] {
  const names = [...counted.keys()].sort()
  return names.map(name => counted.get(name) as T)
}
