import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { MigrateOptions, MigrationReport } from '../../src/migrate/index.js'
import type { Delivery } from './delivery.js'
import type { Address } from './moving-town.js'

const PROGRAM = fileURLToPath(new URL('./runner.mjs', import.meta.url))

/** A process that moves the deliveries to S3. It ends with the test. */
export class Runner {
  readonly #process: ChildProcess
  readonly #output: Promise<string>

  constructor(address: Address, options: Pick<MigrateOptions<Delivery>, 'rate'> = {}) {
    const task = JSON.stringify({ address, ...options })
    const child = spawn(process.execPath, [PROGRAM, task], { stdio: ['ignore', 'pipe', 'inherit'] })
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
  async report(): Promise<MigrationReport> {
    return JSON.parse(await this.#output)
  }
}
