// A million files that exist as rows, as lines and in a listing, and some that do not: made from their number alone, in
// SQL and here, so that nobody has to hold them.
import { Readable } from 'node:stream'

export const FILES = Number(process.env.BENCH_FILES ?? 1_000_000)
export const TENANTS = 100
/** Every such file lacks one of the three. */
export const FAULTS = { dangling: 7, 'line-without-row': 11, orphan: 13 }
const EACH = 100_000

const SIZE = 1000
const LONG_AGO = new Date(Date.UTC(2020, 0, 1))

/** Number `i` in SQL: ordered as the numbers are, tenant after tenant. */
const KEY = `'order_files/' || lpad(to_hex(i), 8, '0') || '-0000-4000-8000-000000000000.pdf'`
const TENANT = `'tenant-' || lpad((i / ${FILES / TENANTS})::text, 3, '0')`

/** Rows in the order of nothing, as rows are; and a ledger. */
export const FILL = [
  `INSERT INTO order_file (file) SELECT json_build_object('v', 1, 'disk', 'media', 'backend', 'bench', 'tenant', ${TENANT},
    'key', ${KEY}, 'name', 'report.pdf', 'size', ${SIZE}, 'type', 'application/pdf', 'sha256', md5(i::text) || md5(i::text))::text
    FROM generate_series(0, ${FILES - 1}) AS i
    WHERE i % ${EACH} NOT IN (${FAULTS['line-without-row']}, ${FAULTS.orphan}) ORDER BY md5(i::text)`,
  `INSERT INTO file_ledger (backend, object_key, disk, tenant, state, size, attempts, created_at, updated_at)
    SELECT 'bench', 'media/' || ${TENANT} || '/' || ${KEY}, 'media', ${TENANT}, 'attached', ${SIZE}, 0, 0, 0
    FROM generate_series(0, ${FILES - 1}) AS i WHERE i % ${EACH} <> ${FAULTS.orphan}`,
  'ANALYZE',
]

const DRIVER = {
  kind: 'bench',
  capabilities: {
    createOnly: true,
    metadata: true,
    signedUrls: false,
    maxExpiresIn: null,
    encryption: [],
    storageClasses: [],
  },
  ready: async () => {},
}

/** A driver that lists the objects, looks at one, and gives it away. */
export const listOnly = {
  ...DRIVER,
  async *list(prefix) {
    if (prefix !== 'media/') return
    for (let i = 0; i < FILES; i++) {
      if (i % EACH !== FAULTS.dangling) yield { key: keyOf(i), size: SIZE, lastModified: LONG_AGO }
    }
  },
  async get(key) {
    return { info: await this.head(key), body: Readable.from([Buffer.alloc(SIZE)]) }
  },
  async head(key) {
    const i = Number.parseInt(key.split('/')[3], 16)
    if (i % EACH !== FAULTS.dangling)
      return { size: SIZE, contentType: 'application/pdf', lastModified: LONG_AGO }
    const { StorageError } = await import('../../../dist/core/index.js')
    throw new StorageError('ERR_FILE_NOT_FOUND', 'It is one of those that are gone.')
  },
}

/** A driver that has no object, and keeps none. */
export const empty = {
  ...DRIVER,
  async *list() {},
  put: async (_key, body) => ({ size: body.length }),
}

function keyOf(i) {
  const tenant = String(Math.floor(i / (FILES / TENANTS))).padStart(3, '0')
  const id = i.toString(16).padStart(8, '0')
  return `media/tenant-${tenant}/order_files/${id}-0000-4000-8000-000000000000.pdf`
}
