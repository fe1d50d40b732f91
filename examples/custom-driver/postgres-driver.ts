import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Pool, PoolClient, QueryResultRow } from 'pg'
import * as files from 'tenant-files'

const CHUNK = 256 * 1024 // bytes in one row: no upload and no download holds more of a file in memory
/** One query, so one transaction. The lock is for processes that start at the same time. */
const TABLES = `SELECT pg_advisory_xact_lock(7240113);
  CREATE TABLE IF NOT EXISTS stored_object (key text COLLATE "C" PRIMARY KEY, id uuid NOT NULL UNIQUE,
    size bigint NOT NULL, headers jsonb NOT NULL, modified timestamptz DEFAULT clock_timestamp());
  CREATE TABLE IF NOT EXISTS stored_chunk (part int, bytes bytea NOT NULL, PRIMARY KEY (id, part),
    id uuid REFERENCES stored_object (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)`
const PAGE = 'SELECT * FROM stored_object WHERE starts_with(key, $1) AND key > $2 ORDER BY key LIMIT 500'
const DELETE = 'DELETE FROM stored_object WHERE key = $1'
const INSERT = 'INSERT INTO stored_object VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING key'
const ADD_CHUNK = 'INSERT INTO stored_chunk VALUES ($1, $2, $3)'
const COPY = 'INSERT INTO stored_chunk SELECT part, bytes, $1 FROM stored_chunk WHERE id = $2 RETURNING part'

/** Keeps objects in PostgreSQL. The pool is the application's: it brings the time-outs, and is not closed here. */
export function postgresDriver(pool: Pool): files.Driver {
  pool.on('connect', client => client.on('error', () => {})) // a lost connection must not end the process
  return {
    kind: 'postgres',
    capabilities: {
      createOnly: true,
      metadata: true,
      signedUrls: false,
      maxExpiresIn: null,
      encryption: [],
      storageClasses: [],
    },

    ready: async () => void (await query(pool, TABLES)),
    head: async (key, { signal } = {}) => (await find(pool, key, signal)).info,

    async put(key, body, options) {
      files.takeBody(body) // before the first await: the stream may fail while nobody reads it yet
      try {
        files.assertObjectKey(key)
        return await transaction(pool, async client => {
          const id = randomUUID()
          const size = await addChunks(client, id, files.readBody(body, options))
          await publish(client, key, { ...options, id, size })
          return { size, etag: `"${id}"` }
        })
      } finally {
        files.endBody(body)
      }
    },

    async get(key, { range: wanted, signal } = {}) {
      const { id, info } = await find(pool, key, signal)
      const range = wanted && files.resolveRange(wanted, info.size)
      const bytes = read(pool, id, range ?? { start: 0, end: info.size - 1 })
      return { body: Readable.from(bytes, { objectMode: false, signal }), info, range }
    },

    async delete(key, { signal } = {}) {
      files.throwIfAborted(signal)
      files.assertObjectKey(key)
      await query(pool, DELETE, key)
    },

    async copy(from, to, { signal } = {}) {
      files.assertObjectKey(to)
      await transaction(pool, async client => {
        const [id, source] = [randomUUID(), await find(client, from, signal)]
        const copied = await query(client, COPY, id, source.id)
        if (copied.length * CHUNK < source.info.size) throw gone(from)
        await publish(client, to, { ...source.info, id })
      })
    },

    async *list(prefix, { signal } = {}) {
      files.assertListPrefix(prefix)
      for (let rows: QueryResultRow[] = [{ key: '' }]; rows.length > 0; ) {
        files.throwIfAborted(signal)
        rows = await query(pool, PAGE, prefix, rows.at(-1)?.key)
        for (const { key, size, modified } of rows) yield { key, size: Number(size), lastModified: modified }
      }
    },
  }
}

async function find(on: Pool | PoolClient, key: string, signal?: AbortSignal) {
  files.throwIfAborted(signal)
  files.assertObjectKey(key)
  const [row] = await query(on, 'SELECT * FROM stored_object WHERE key = $1', key)
  if (row === undefined) throw gone(key)
  const { id, size, headers, modified } = row
  return { id, info: { ...headers, size: Number(size), etag: `"${id}"`, lastModified: modified } }
}

function gone(key?: string): files.StorageError {
  return new files.StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.', { key })
}

async function* read(pool: Pool, id: string, { start, end }: { start: number; end: number }) {
  for (let part = Math.floor(start / CHUNK); part * CHUNK <= end; part++) {
    const [row] = await query(pool, 'SELECT bytes FROM stored_chunk WHERE id = $1 AND part = $2', id, part)
    if (row === undefined) throw gone() // deleted or replaced by now: never the bytes of two files
    yield row.bytes.subarray(Math.max(0, start - part * CHUNK), end + 1 - part * CHUNK)
  }
}

/** Adds rows of CHUNK bytes, so that dividing finds the first one of a range; the last one has what is left. */
async function addChunks(client: PoolClient, id: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let [part, waiting] = [0, Buffer.alloc(0)]
  for await (const piece of pieces) {
    waiting = Buffer.concat([waiting, piece])
    for (; waiting.length >= CHUNK; waiting = waiting.subarray(CHUNK))
      await query(client, ADD_CHUNK, part++, waiting.subarray(0, CHUNK), id)
  }
  if (waiting.length > 0) await query(client, ADD_CHUNK, part, waiting, id)
  return part * CHUNK + waiting.length
}

/** Gives the bytes below `id` their key. The lock makes all who write to one key wait for each other. */
async function publish(client: PoolClient, key: string, object: files.PutOptions & { id: string }) {
  await query(client, 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', key)
  if (object.ifNoneMatch !== '*') await query(client, DELETE, key)
  const headers = JSON.stringify(object, ['contentType', 'contentDisposition', 'cacheControl'])
  const inserted = await query(client, INSERT, key, object.id, object.size, headers)
  if (inserted.length > 0) return
  throw new files.StorageError('ERR_FILE_EXISTS', 'There is an object under this key already.', { key })
}

/** Commits all that `work` did, or nothing: a connection that saw a failure is thrown away with what it had begun. */
async function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(failed)
  try {
    await query(client, 'BEGIN')
    const result = await work(client)
    await query(client, 'COMMIT')
    client.release()
    return result
  } catch (error) {
    client.release(true)
    throw error
  }
}

async function query(on: Pick<PoolClient, 'query'>, sql: string, ...values: unknown[]) {
  return (await on.query<QueryResultRow>(sql, values).catch(failed)).rows
}

function failed(cause: unknown): never {
  throw new files.StorageError('ERR_BACKEND', 'PostgreSQL failed: look at the cause.', { cause })
}
