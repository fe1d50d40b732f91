import type { QueryRunner } from 'typeorm'
import type { StoredFile } from '../core/stored-file.js'
import type { Claim } from './claims.js'

/** What one entity's hook asks for. */
export interface Work {
  readonly claim: readonly Claim[]
  readonly remove: readonly StoredFile[]
}

export const NO_WORK: Work = { claim: [], remove: [] }

type Task = () => Promise<Work>

interface Turn {
  readonly tasks: Task[]
  readonly done: Promise<void>
}

/**
 * TypeORM calls the hooks of all entities of an operation at once, on one connection. Here they take turns: one
 * after the other, their claims together in one statement, and none after the first that fails. A hook that went
 * on while TypeORM rolls back would write outside of the transaction.
 */
export class Turns {
  readonly #open = new WeakMap<QueryRunner, Turn>()
  readonly #rollbacks = new WeakMap<QueryRunner, number>()
  readonly #shared: boolean
  readonly #finish: (runner: QueryRunner, work: readonly Work[]) => Promise<void>

  /** @param options.shared whether strangers use the same query runner; then a turn is one entity */
  constructor(
    options: { shared: boolean },
    finish: (runner: QueryRunner, work: readonly Work[]) => Promise<void>,
  ) {
    this.#shared = options.shared
    this.#finish = finish
  }

  /** Adds one entity's task to the turn of its operation; resolves when the whole turn is done. */
  add(runner: QueryRunner, task: Task): Promise<void> {
    if (this.#shared) return this.#run(runner, [task])
    const turn = this.#open.get(runner) ?? this.#begin(runner)
    turn.tasks.push(task)
    return turn.done
  }

  /** To be called before a rollback: what has not been asked of the database by now is not asked any more. */
  cancel(runner: QueryRunner): void {
    this.#rollbacks.set(runner, this.#rollbacksOf(runner) + 1)
  }

  #begin(runner: QueryRunner): Turn {
    const tasks: Task[] = []
    // The hooks of an operation are called in one go, so by the next microtask they are all here.
    const done = Promise.resolve().then(() => {
      this.#open.delete(runner)
      return this.#run(runner, tasks)
    })
    const turn = { tasks, done }
    this.#open.set(runner, turn)
    return turn
  }

  async #run(runner: QueryRunner, tasks: readonly Task[]): Promise<void> {
    const rollbacks = this.#rollbacksOf(runner)
    const work: Work[] = []
    for (const task of tasks) {
      work.push(await task())
      // Nobody waits for this turn any more: the operation has failed elsewhere.
      if (this.#rollbacksOf(runner) !== rollbacks || runner.isReleased) return
    }
    await this.#finish(runner, work)
  }

  #rollbacksOf(runner: QueryRunner): number {
    return this.#rollbacks.get(runner) ?? 0
  }
}
