import type { QueryRunner } from 'typeorm'
import { type Rollbacks, rolledBack } from './rollbacks.js'
import type { Release, Work } from './work.js'

/** What a hook does, with what it has to say to the ledger. */
type Task = () => Promise<Work>

interface Turn {
  readonly tasks: Task[]
  readonly done: Promise<void>
}

/**
 * TypeORM calls the hooks of all entities of an operation at once, on one connection. Here they take turns: one
 * after the other, what they release together in one statement, and none after the first that fails. A hook that went
 * on while TypeORM rolls back would write outside of the transaction, and so would the statement behind it: its
 * operation fails.
 */
export class Turns {
  readonly #open = new WeakMap<QueryRunner, Turn>()
  readonly #shared: boolean
  readonly #rollbacks: Rollbacks
  readonly #finish: (runner: QueryRunner, work: Work) => Promise<void>

  /** @param options.shared whether strangers use the same query runner; then a turn is one entity */
  constructor(
    options: { shared: boolean; rollbacks: Rollbacks },
    finish: (runner: QueryRunner, work: Work) => Promise<void>,
  ) {
    this.#shared = options.shared
    this.#rollbacks = options.rollbacks
    this.#finish = finish
  }

  /** Adds one entity's task to the turn of its operation; resolves when the whole turn is done. */
  add(runner: QueryRunner, task: Task): Promise<void> {
    if (this.#shared) return this.#run(runner, [task])
    const turn = this.#open.get(runner) ?? this.#begin(runner)
    turn.tasks.push(task)
    return turn.done
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
    const stands = this.#rollbacks.watch(runner)
    const work: Release[] = []
    for (const task of tasks) {
      work.push(...(await task()))
      if (runner.isReleased) return // the connection broke: the operation's own statement says so
      if (!stands()) throw rolledBack()
    }
    if (work.length > 0) await this.#finish(runner, work)
  }
}
