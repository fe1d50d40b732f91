// One process of the application: some writers and a reaper, until it is killed. What it is told comes as JSON in
// CRASH_WORKER; what it says is a line each on its standard output, written at once, since nobody cleans up behind it.
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expectedCode } from './expected.mjs'
import { FaultPoints, WatchedDriver, watchStatements } from './fault-points.mjs'
import { NAIVE_OPERATIONS, OPERATIONS } from './operations.mjs'
import { randomFrom } from './random.mjs'
import { libraryWorld, naiveWorld } from './worlds.mjs'

const WRITERS = 3
const REAPER_PAUSE = 100

const orders = JSON.parse(process.env.CRASH_WORKER ?? '')
const random = randomFrom(orders.seed)
const say = line => void writeSync(1, `${line}\n`)
const points = new FaultPoints(orders.point, say)
const driver = new WatchedDriver(orders.root, points)
const world = orders.isNaive ? naiveWorld(orders, driver, random) : libraryWorld(orders, driver, random)
const names = orders.isNaive ? NAIVE_OPERATIONS : Object.keys(OPERATIONS)

// The test has ended, or was killed itself.
process.stdin.on('end', () => process.exit(1)).resume()

async function write() {
  for (;;) {
    const name = names[Math.floor(random() * names.length)]
    await attempt(name, () => OPERATIONS[name](world, random))
  }
}

async function reap() {
  for (;;) {
    await attempt('reap', () => world.reap())
    await sleep(REAPER_PAUSE)
  }
}

async function attempt(name, work) {
  try {
    await work()
    say(`did ${name}`)
  } catch (error) {
    const code = expectedCode(error)
    say(
      code === undefined
        ? `broke ${name}: ${String(error?.stack).replaceAll('\n', ' | ')}`
        : `refused ${code}`,
    )
  }
}

await world.dataSource.initialize()
watchStatements(world.dataSource, points)
say('ready')
points.arm(orders.delay)
for (let writer = 0; writer < WRITERS; writer++) void write()
if (!orders.isNaive) void reap()
