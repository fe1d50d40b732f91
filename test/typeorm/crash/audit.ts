import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSource } from 'typeorm'

/** What rows and folder say of each other. */
export interface Audit {
  readonly rows: number
  readonly objects: number
  /** Files of rows whose bytes are missing, or are not those that the row says. */
  readonly dangling: string[]
  /** Objects that no row points to. */
  readonly orphans: string[]
  /** Objects that several rows point to. */
  readonly shared: string[]
}

/**
 * Compares rows and objects without the library: the rows by SQL, the objects by the file system.
 *
 * @param plain a DataSource that knows no entities
 */
export async function audit(plain: DataSource, root: string): Promise<Audit> {
  const rows: Row[] = await plain.query('SELECT id, cover, sheets FROM page')
  const files = rows.flatMap(filesOf)
  const objects = objectsIn(root)
  const known = new Set(files.map(objectKeyOf))
  const seen = new Set<string>()
  return {
    rows: rows.length,
    objects: objects.length,
    dangling: files.filter(file => !isThere(root, file)).map(objectKeyOf),
    orphans: objects.filter(key => !known.has(key)),
    shared: files.map(objectKeyOf).filter(key => seen.has(key) || !seen.add(key)),
  }
}

/** Waits for the database to notice that the clients of killed processes are gone. @param plain with one connection */
export async function connectionsEnded(plain: DataSource): Promise<void> {
  const others =
    plain.options.type === 'postgres'
      ? 'SELECT count(*) AS others FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
      : 'SELECT count(*) AS others FROM information_schema.processlist WHERE db = database() AND id <> connection_id()'
  for (let tries = 0; tries < 600; tries++) {
    const [row] = await plain.query(others)
    if (Number(row.others) === 0) return
    await sleep(50)
  }
  throw new Error('The database holds on to connections of processes that are dead.')
}

interface Row {
  readonly id: number
  readonly cover: string | null
  readonly sheets: string | null
}

interface File {
  readonly disk: string
  readonly tenant: string
  readonly key: string
  readonly size: number
  readonly sha256: string
}

function filesOf({ cover, sheets }: Row): File[] {
  return [cover, sheets].flatMap(text => (text === null ? [] : (JSON.parse(text) as File | File[])))
}

function objectKeyOf({ disk, tenant, key }: File): string {
  return `${disk}/${tenant}/${key}`
}

function isThere(root: string, file: File): boolean {
  try {
    const bytes = readFileSync(path.join(root, objectKeyOf(file)))
    return bytes.length === file.size && createHash('sha256').update(bytes).digest('hex') === file.sha256
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function objectsIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter(key => !key.startsWith('.tenant-files/'))
}
