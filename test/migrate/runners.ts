import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { MigrateOptions, MigrationReport, PruneReport, RollbackReport } from '../../src/migrate/index.js'
import type { Delivery } from './delivery.js'
import type { Address } from './moving-town.js'

const PROGRAM = fileURLToPath(new URL('./runner.mjs', import.meta.url))

/** What a runner does, and what it tells in the end. */
interface Reports {
  move: MigrationReport
  rollback: RollbackReport
  prune: PruneReport
}

interface RunnerOptions extends Pick<MigrateOptions<Delivery>, 'rate'> {
  /** Of a prune: days. */
  readonly keep?: number
}

/** A process that works on the move of the deliveries to S3. It ends with the test. */
export class Runner<T extends keyof Reports = 'move'> {
  readonly #process: ChildProcess
  readonly #output: Promise<string>

  static mover(address: Address, options: RunnerOptions = {}): Runner {
    return new Runner('move', address, options)
  }

  constructor(task: T, address: Address, options: RunnerOptions = {}) {
    const order = JSON.stringify({ task, address, ...options })
    const child = spawn(process.execPath, [PROGRAM, order], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    this.#process = child
    this.#output = text(child.stdout)
  }

  /** `kill -9`, in the middle of its work. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null) throw new Error('The runner has ended before it was killed.')
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }

  /** Of a runner that ends by itself. */
  async report(): Promise<Reports[T]> {
    return JSON.parse(await this.#output)
  }
}
