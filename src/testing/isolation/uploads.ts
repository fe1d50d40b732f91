import type { FileAddress } from '../../core/stored-file.js'
import { shownAt } from './doors.js'
import { has, type Inspection, isSuccess, type Uploaded } from './inspection.js'
import type { IsolationEdit } from './options.js'
import { marksOf } from './traces.js'

const AT_ONCE = 4

/** Where the uploads of everybody else land, whatever they say in the form. */
export async function checkUploads<Row>(inspection: Inspection<Row>, file: Uploaded<Row>): Promise<void> {
  const { owner, other, strangers } = inspection
  const before = await inspection.objectsOf(owner.actsFor)
  for (const caller of strangers) {
    if (caller === other) continue
    await inspection.send(caller, inspection.newName())
    if (await hasNew(inspection, before))
      return inspection.findings.add('An upload under the owner is taken from', caller)
  }
  await checkSteering(inspection, file)
  await checkCrossing(inspection)
}

/** Uploads of two tenants at the same time, each in late pieces: a tenant that is not tied to its request mixes them up. */
async function checkCrossing<Row>(inspection: Inspection<Row>): Promise<void> {
  const { owner, other } = inspection
  const count = async () => {
    const [one, two] = [await inspection.objectsOf(owner.actsFor), await inspection.objectsOf(other.actsFor)]
    return [one.length, two.length]
  }
  const before = await count()
  const callers = Array.from({ length: AT_ONCE }, () => [owner, other]).flat()
  const answers = await Promise.all(callers.map(caller => inspection.send(caller, inspection.newName())))
  if (!answers.every(({ status }) => isSuccess(status)))
    return inspection.findings.add('Uploads of two tenants at the same time are not all taken')
  const [one, two] = (await count()).map((now, index) => now - (before[index] ?? 0))
  if (one !== two) inspection.findings.add('Uploads of two tenants at the same time are mixed up')
}

/** No field and no parameter of a client chooses where a file goes. */
async function checkSteering<Row>(inspection: Inspection<Row>, file: Uploaded<Row>): Promise<void> {
  const { owner, other, options } = inspection
  const [before, own] = await Promise.all([owner, other].map(({ actsFor }) => inspection.objectsOf(actsFor)))
  for (const [what, more] of Object.entries(steering(owner.actsFor ?? '', file, options.upload.path))) {
    const { status } = await inspection.send(other, inspection.newName(), more)
    if (await hasNew(inspection, before ?? []))
      inspection.findings.add(`An upload lands under the owner when ${what} says so, for`, other)
    else if (isSuccess(status) && (await inspection.objectsOf(other.actsFor)).length <= (own ?? []).length)
      inspection.findings.add(
        `An upload does not land under its own tenant when ${what} names another, for`,
        other,
      )
  }
}

function steering<Row>(owner: string, { addresses }: Uploaded<Row>, path: string) {
  const [{ key, disk, backend } = { key: 'a', disk: 'media', backend: 'local' }] = addresses
  const wishes = {
    tenant: owner,
    tenantId: owner,
    prefix: `../${owner}`,
    folder: `../../${owner}/steered`,
    key: `../${owner}/${key}`,
    context: owner,
    disk,
    backend,
  }
  const query = `${path.includes('?') ? '&' : '?'}${new URLSearchParams(wishes)}`
  return { 'a field of the form': { fields: wishes }, 'the query': { query } }
}

async function hasNew<Row>(inspection: Inspection<Row>, before: readonly FileAddress[]): Promise<boolean> {
  const now = await inspection.objectsOf(inspection.owner.actsFor)
  return now.some(each => !has(before, each))
}

/** A look-alike of the owner's file in a body must not become a file of anybody. */
export async function checkEdit<Row>(
  inspection: Inspection<Row>,
  edit: IsolationEdit<Row>,
  file: Uploaded<Row>,
): Promise<void> {
  const { other, findings } = inspection
  const own = await inspection.upload(other)
  if (own === undefined) return
  const { method = 'PUT', path, field = 'file' } = edit
  for (const forged of forgeries(file)) {
    const body = JSON.stringify({ [field]: forged })
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const answer = await inspection.ask(other, path(own.row), { method, headers, body })
    const shown = answer !== undefined && isSuccess(answer.status) ? marksOf(file, answer) : []
    if (shown.length > 0 || (await shownAt(inspection, own.row, file)).length > 0)
      return findings.add("A file that was forged in the body of a request becomes the owner's, for", other)
  }
}

function forgeries<Row>({ addresses, name, bytes }: Uploaded<Row>): unknown[] {
  const type = 'application/octet-stream'
  return addresses.flatMap((address): unknown[] => {
    const whole = { v: 1, ...address, name, size: bytes.length, type, sha256: null }
    return [whole, JSON.stringify(whole), { ...address }, address.key]
  })
}
