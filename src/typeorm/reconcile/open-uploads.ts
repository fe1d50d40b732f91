import type { OpenUpload } from '../../core/driver.js'
import type { ReconcileContext } from './context.js'
import { type Finding, findingOf } from './findings.js'

/** Uploads whose lines are asked for together. */
const BATCH = 100

/**
 * Finds uploads in parts that the ledger does not know: their parts are kept, and paid for, and in no listing. Each is
 * met twice, and without a line in between, because a line comes before its upload begins and goes after it has ended.
 *
 * They are told, and not ended: no storage says for all of them how old they are, and one that an application sends
 * past the ledger looks the same.
 */
export async function findOpenUploads(context: ReconcileContext): Promise<void> {
  const { scope, binding, options, report } = context
  for (const backend of scope.backends) {
    const driver = await binding.storage.openForMaintenance(backend, 'read')
    for (const prefix of scope.prefixes) {
      const list = () => driver.listUploads?.(prefix, { signal: options.signal }) ?? []
      const unknown = await withoutLine(context, backend, list())
      if (unknown.size === 0) continue
      for await (const { id, key } of list())
        if (unknown.has(id)) report.add(foundOpen(context, backend, key))
    }
  }
}

/** Their ids. */
async function withoutLine(
  context: ReconcileContext,
  backend: string,
  uploads: AsyncIterable<OpenUpload> | Iterable<OpenUpload>,
): Promise<Set<string>> {
  const unknown = new Set<string>()
  const look = async (batch: readonly OpenUpload[]) => {
    const lines = await context.reads.of(batch.map(({ key }) => ({ backend, objectKey: key })))
    const known = new Set(lines.map(({ objectKey }) => objectKey))
    for (const { id, key } of batch) if (!known.has(key) && isOurs(context, key)) unknown.add(id)
  }
  let batch: OpenUpload[] = []
  for await (const upload of uploads) {
    batch.push(upload)
    if (batch.length < BATCH) continue
    await look(batch)
    batch = []
  }
  if (batch.length > 0) await look(batch)
  return unknown
}

function isOurs({ scope }: ReconcileContext, key: string): boolean {
  const place = scope.locate(key)
  return place === undefined || scope.isOurs(place.tenant)
}

function foundOpen({ scope }: ReconcileContext, backend: string, objectKey: string): Finding {
  const known = { backend, objectKey, line: undefined, rows: [], object: undefined }
  const says =
    'An upload in parts was begun here and neither completed nor ended, and the ledger does not know it.'
  return findingOf(known, { kind: 'open-upload', says }, scope)
}
