import type { DataSource, ObjectLiteral } from 'typeorm'
import { StorageError } from '../../core/errors.js'
import { assertKnownOptions } from '../../core/known-options.js'
import { runAsSystem } from '../../core/tenant.js'
import { bindingOf } from '../../typeorm/files-binding.js'
import { everyFileColumn } from '../file-columns.js'
import { type FilePlaces, filePlaces } from '../file-places.js'
import { assertBackend, chosenColumns, type MigrateEntity } from '../one-column.js'
import { BACKEND_CONDITIONS } from './backend-conditions.js'
import { type Condition, type Examined, examine, type Phase, type PhaseCheck } from './checks.js'
import { OLD_PATH_CONDITION } from './old-path-condition.js'
import { ROW_CONDITIONS } from './row-conditions.js'

/** Which phase of which move is to begin. */
export interface PhaseOptions<E extends ObjectLiteral> {
  /** Given to `withFiles`, and initialized. */
  readonly dataSource: DataSource
  /**
   * What is to begin: 1 new files go to the new backend, 2 a plan, 3 the move, 4 the wait until nobody wants to go back,
   * 5 the old bytes are given up.
   */
  readonly phase: Phase
  /** The backend that files move to. */
  readonly to: string
  /** The backend that they come from. Default: every other one. */
  readonly from?: string
  /** Default: every entity with file columns. */
  readonly entity?: MigrateEntity<E>
  /** Only the files of this tenant; a canary. */
  readonly tenant?: string
  /** Ends it early. */
  readonly signal?: AbortSignal
}

/** Whether a phase may begin. */
export interface PhaseReport {
  readonly phase: Phase
  readonly to: string
  /** Whether no check failed. */
  readonly isSafe: boolean
  readonly checks: readonly PhaseCheck[]
}

const CONDITIONS: readonly Condition[] = [...BACKEND_CONDITIONS, OLD_PATH_CONDITION, ...ROW_CONDITIONS]
const PHASES: readonly Phase[] = [1, 2, 3, 4, 5]

/**
 * Looks whether a phase of a move may begin. A check that fails says why, and the others go on. It reads all rows, and
 * stores and deletes a small object on the new backend; before phase 5 on the old one too.
 *
 * Runs under `runAsSystem` (event `system`).
 *
 * @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_LEDGER_NOT_READY, ERR_UPLOAD_ABORTED for the signal
 * @example
 * const { isSafe, checks } = await checkPhase({ dataSource, phase: 3, to: 'spaces' })
 */
export async function checkPhase<E extends ObjectLiteral>(options: PhaseOptions<E>): Promise<PhaseReport> {
  assertKnownOptions('checkPhase', options, {
    ...{ dataSource: 'known', phase: 'known', to: 'known', from: 'known' },
    ...{ entity: 'known', tenant: 'known', signal: 'known' },
  })
  const { phase, to } = options
  const examined = examinedBy(options)
  const checks: PhaseCheck[] = []
  await runAsSystem(`check phase ${phase} of a move of files to ${to}`, async () => {
    for (const condition of CONDITIONS)
      if (phase >= condition.since) checks.push(await examine(condition, examined))
  })
  return { phase, to, isSafe: checks.every(({ state }) => state !== 'failed'), checks }
}

/** @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_LEDGER_NOT_READY */
function examinedBy<E extends ObjectLiteral>(options: PhaseOptions<E>): Examined {
  const { dataSource, phase, to, from, entity, tenant, signal } = options
  const binding = bindingOf(dataSource).open()
  if (!PHASES.includes(phase)) throw wrong(`phase is one of ${PHASES.join(', ')}; got ${phase}`)
  if (from === to) throw wrong(`from and to are both "${to}"`)
  for (const name of [to, from ?? to]) assertBackend(binding, name)
  if (entity !== undefined) chosenColumns({ dataSource, entity })
  let places: Promise<FilePlaces> | undefined
  return {
    ...{ dataSource, phase, to, from, tenant, signal, storage: binding.storage },
    choices: entity === undefined ? everyFileColumn(dataSource) : [{ dataSource, entity }],
    places() {
      places ??= filePlaces({ dataSource, entity, tenant, signal })
      return places
    },
  }
}

function wrong(what: string): StorageError {
  return new StorageError('ERR_CONFIG', `checkPhase: ${what}.`)
}
