import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** How a process dies. Times are in milliseconds after it is ready. */
export type Fate =
  | { readonly kind: 'at a point'; readonly point: string; readonly delay: number }
  | { readonly kind: 'at random'; readonly delay: number }
  /** Stopped for longer than a lease before it is killed, as a process that swaps or a machine that is moved. */
  | { readonly kind: 'stopped'; readonly delay: number }

/** What worker.mjs is told. */
export interface Orders {
  readonly database: object
  readonly root: string
  readonly secret: string
  /** In seconds. */
  readonly lease: number
  readonly seed: number
  readonly isNaive: boolean
}

/** What came of one process. */
export interface Life {
  readonly lines: readonly string[]
  /** The point at which it killed itself. */
  readonly hit: string | undefined
  /** What it could not do and should have. */
  readonly broken: readonly string[]
}

/** A point that is not come to within this time is not waited for any longer. */
const PATIENCE = 6_000
const STOP = 1_400
/** For the start of a process, on a machine that does other things. */
const START = 60_000

/** Runs a process to its violent end. @param skew of its clock, in milliseconds */
export async function live(orders: Orders, fate: Fate, skew: number): Promise<Life> {
  const told = { ...orders, delay: fate.delay, ...(fate.kind === 'at a point' ? { point: fate.point } : {}) }
  const clock = skew === 0 ? [] : ['--import', here('skewed-clock.mjs')]
  const child = spawn(process.execPath, [...clock, here('worker.mjs')], {
    env: { ...process.env, CRASH_WORKER: JSON.stringify(told), CLOCK_SKEW: String(skew) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const closed = once(child, 'close')
  const lines: string[] = []
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const ready = new Promise<boolean>(resolve => {
    createInterface({ input: child.stdout }).on('line', line => {
      lines.push(line)
      if (line === 'ready') resolve(true)
    })
  })
  const isReady = await Promise.race([ready, exit.then(() => false), sleep(START, false)])
  if (isReady) await meet(child, fate, exit)
  child.kill('SIGKILL')
  const [code, signal] = await exit
  await closed
  const hit = lines.find(line => line.startsWith('hit '))?.slice('hit '.length)
  const broken = lines.filter(line => line.startsWith('broke '))
  if (!isReady || signal !== 'SIGKILL') broken.push(`ended with ${code ?? signal}: ${errors.join('')}`)
  return { lines, hit, broken }
}

/** Until the process has to be killed, or has done it itself. */
async function meet(child: ReturnType<typeof spawn>, fate: Fate, exit: Promise<unknown>): Promise<void> {
  const over = new AbortController()
  const wait = (time: number) =>
    Promise.race([exit, sleep(time, undefined, { signal: over.signal }).catch(() => {})])
  if (fate.kind === 'at a point') await wait(fate.delay + PATIENCE)
  else await wait(fate.delay)
  if (fate.kind === 'stopped') {
    child.kill('SIGSTOP')
    await wait(STOP)
    child.kill('SIGCONT')
    await wait(fate.delay)
  }
  over.abort()
}
