import { StorageError } from '../../core/errors.js'
import { has, type Inspection, isSuccess, parsed, type Uploaded } from './inspection.js'
import type { IsolationCaller, IsolationDoor } from './options.js'
import type { Answer } from './site.js'
import { marksOf, tracesOf } from './traces.js'

/** A door to one row, by its path. */
type RowDoor<Row> = IsolationDoor<Row> & { path: (row: Row) => string }

/** Tries every stranger on every door, and then the owner: what nobody can open proves nothing. */
export async function checkDoors<Row>(inspection: Inspection<Row>, file: Uploaded<Row>): Promise<void> {
  for (const door of inspection.options.doors) {
    // Where strangers may change or delete, the other doors must not suffer from it.
    const subject = isReading(door) ? file : await inspection.upload(inspection.owner)
    if (subject !== undefined) await checkDoor(inspection, door, subject)
  }
}

/** Asks for a door as the other tenant, on one of its own rows; for what may have been planted there. */
export async function shownAt<Row>(
  inspection: Inspection<Row>,
  row: Row,
  foreign: Uploaded<Row>,
): Promise<string[]> {
  const shown: string[] = []
  for (const door of inspection.options.doors.filter(isReading)) {
    const path = typeof door.path === 'string' ? door.path : door.path(row)
    const answer = await inspection.ask(inspection.other, path)
    if (answer !== undefined) shown.push(...marksOf(foreign, answer))
  }
  return shown
}

function isReading({ method = 'GET' }: { method?: string }): boolean {
  return method === 'GET' || method === 'HEAD'
}

function isRowDoor<Row>(door: IsolationDoor<Row>): door is RowDoor<Row> {
  return typeof door.path === 'function'
}

async function checkDoor<Row>(
  inspection: Inspection<Row>,
  door: IsolationDoor<Row>,
  file: Uploaded<Row>,
): Promise<void> {
  let isShut = true
  for (const caller of inspection.strangers) {
    const passed = isRowDoor(door)
      ? await checkRowDoor(inspection, door, file, caller)
      : await checkCommonDoor(inspection, door, file, caller)
    isShut &&= !passed
  }
  if (isShut && !isReading(door)) isShut = await checkStillThere(inspection, door, file)
  if (isShut) await checkOwner(inspection, door, file)
}

/** @returns whether the stranger got through */
async function checkRowDoor<Row>(
  inspection: Inspection<Row>,
  door: RowDoor<Row>,
  file: Uploaded<Row>,
  caller: IsolationCaller,
): Promise<boolean> {
  const path = door.path(file.row)
  for (const each of [path, ...climbing(path, file)]) {
    const answer = await inspection.ask(caller, each, door)
    if (answer === undefined) continue
    const shown = tracesOf(file, answer)
    if (isSuccess(answer.status) || shown.length > 0) {
      const how = shown.length === 0 ? '' : ` and shows ${shown.join(', ')}`
      inspection.findings.add(`The door "${door.name}" opens${how} to`, caller)
      return true
    }
    if (each === path) await checkLooksMissing(inspection, door, file, { caller, answer })
  }
  return false
}

/** Where a path holds the object's key, somebody may put another tenant's into it. */
function climbing<Row>(path: string, { addresses }: Uploaded<Row>): string[] {
  return addresses.flatMap(({ tenant, key }) =>
    [key, encodeURIComponent(key)]
      .filter(written => path.includes(written))
      .flatMap(written =>
        [`../${tenant}/`, `..%2f${tenant}%2f`, `%2e%2e/${tenant}/`, `..\\${tenant}\\`].map(up =>
          path.replace(written, () => up + written),
        ),
      ),
  )
}

/** "Not yours" must look like "not there". */
async function checkLooksMissing<Row>(
  inspection: Inspection<Row>,
  door: RowDoor<Row>,
  { row }: Uploaded<Row>,
  { caller, answer }: { caller: IsolationCaller; answer: Answer },
): Promise<void> {
  const [path, missingPath] = [door.path(row), door.path(missingOf(inspection, row))]
  const askMissing = async () => {
    const missing = await inspection.ask(caller, missingPath, door)
    return missing === undefined ? undefined : faceOf(missing, missingPath, path)
  }
  const [seen, expected] = [faceOf(answer, path, missingPath), await askMissing()]
  if (expected === undefined || seen === expected) return
  // Words that are others each time, such as the number of the request, tell nothing.
  const isByChance = (await askMissing()) !== expected
  if (isByChance && expected.startsWith(`${answer.status}`)) return
  const sentence = `The door "${door.name}" answers ${seen} for the owner's row and ${expected} for one that never was, and so tells that it exists, to`
  inspection.findings.add(sentence, caller)
}

function missingOf<Row>({ options }: Inspection<Row>, row: Row): Row {
  if (options.missing !== undefined) return options.missing(row)
  const { id } = row as { id?: unknown }
  if (typeof id === 'number') return { ...row, id: 2_147_483_646 }
  // The same form, so that it is not refused for that: another digit or letter at every place.
  if (typeof id === 'string')
    return { ...row, id: id.replace(/[0-9a-f]/gi, digit => (digit === '7' ? '3' : '7')) }
  throw new StorageError(
    'ERR_CONFIG',
    'The upload answers with no `id`: say with `missing` what a row is that never existed.',
  )
}

/** Status, code and words of an error, without the ids in which the two paths differ. */
function faceOf({ status, body }: Answer, ...paths: [string, string]): string {
  const [one, two] = paths.map(wordsIn)
  const ids = [...(one ?? []), ...(two ?? [])].filter(word => !(one?.includes(word) && two?.includes(word)))
  const plain = saidIn(body).replace(WORD, word => (ids.includes(word) ? '…' : word))
  return plain === '' ? `${status}` : `${status} (${plain.slice(0, 120)})`
}

const WORD = /[\w-]+/g

function wordsIn(text: string): string[] {
  return text.match(WORD) ?? []
}

/** What an error says: `{ error: { code, message } }`, `{ code, message }`, `{ error }`, or all of another body. */
function saidIn(body: Buffer): string {
  const json = parsed<Record<string, unknown> | null>(body)
  if (typeof json !== 'object' || json === null) return body.toString()
  const { error } = json
  const { code, message }: { code?: unknown; message?: unknown } =
    typeof error === 'object' && error !== null ? error : { code: error, ...json }
  return [code, message].filter(words => words !== undefined).join(' ')
}

/** @returns whether the stranger was shown something */
async function checkCommonDoor<Row>(
  inspection: Inspection<Row>,
  door: IsolationDoor<Row>,
  file: Uploaded<Row>,
  caller: IsolationCaller,
): Promise<boolean> {
  const answer = await inspection.ask(caller, String(door.path), door)
  const shown = answer === undefined ? [] : tracesOf(file, answer)
  if (shown.length === 0) return false
  inspection.findings.add(
    `The door "${door.name}" shows a file of the owner (${shown.join(', ')}) to`,
    caller,
  )
  return true
}

/** After all strangers: whatever they were answered, the owner's bytes have to be there. */
async function checkStillThere<Row>(
  inspection: Inspection<Row>,
  door: IsolationDoor<Row>,
  { addresses }: Uploaded<Row>,
): Promise<boolean> {
  const objects = await inspection.objectsOf(inspection.owner.actsFor)
  if (addresses.every(each => has(objects, each))) return true
  inspection.findings.add(`Through the door "${door.name}" strangers removed a file of the owner`)
  return false
}

async function checkOwner<Row>(
  inspection: Inspection<Row>,
  door: IsolationDoor<Row>,
  file: Uploaded<Row>,
): Promise<void> {
  const path = isRowDoor(door) ? door.path(file.row) : String(door.path)
  const answer = await inspection.ask(inspection.owner, path, door)
  const status = answer?.status ?? 0
  const shown = answer === undefined ? [] : tracesOf(file, answer)
  if (isRowDoor(door) ? isSuccess(status) || shown.length > 0 : shown.length > 0) return
  const sentence =
    isRowDoor(door) || !isSuccess(status)
      ? `the owner is answered ${status || 'by nothing'}`
      : 'it does not show the file to its owner'
  inspection.findings.add(`The door "${door.name}" proves nothing: ${sentence}`)
}
