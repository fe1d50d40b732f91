import { type Fate, type Life, live, type Orders } from './processes.js'
import { randomFrom } from './random.mjs'

const PROCESSES = 2
/** Of the clock of every second process, in milliseconds, either way. */
const SKEW = 2 * 60 * 60 * 1000
/** Rounds beyond those that were asked for, for points that were not come to. */
const MORE_ROUNDS = 30

export interface RoundsOptions {
  readonly orders: Omit<Orders, 'seed'>
  readonly seed: number
  /** At least so many. */
  readonly rounds: number
  /** All of them shall be hit. */
  readonly points: readonly string[]
  /** Called while no process lives. */
  readonly between: () => Promise<void>
}

/** What happened in all rounds. */
export interface RoundsReport {
  rounds: number
  /** By the kind of their fates. */
  readonly kills: Map<string, number>
  readonly hit: Map<string, number>
  readonly did: Map<string, number>
  readonly refused: Map<string, number>
  readonly broken: string[]
}

/** Processes of the application, two at a time, each to be killed. */
export async function crashRounds(options: RoundsOptions): Promise<RoundsReport> {
  const { orders, rounds, points, between } = options
  const random = randomFrom(options.seed)
  const report: RoundsReport = {
    rounds: 0,
    kills: new Map(),
    hit: new Map(),
    did: new Map(),
    refused: new Map(),
    broken: [],
  }
  const fates = plan(points, rounds * PROCESSES, random)
  const isMore = () => report.rounds < rounds || fates.length > 0
  while (isMore() && report.rounds < rounds + MORE_ROUNDS && report.broken.length === 0) {
    const round = Array.from({ length: PROCESSES }, () => fates.shift() ?? atRandom(random))
    const lives = round.map((fate, index) => {
      const skew = index === 0 ? 0 : Math.round((random() * 2 - 1) * SKEW)
      return live({ ...orders, seed: Math.floor(random() * 2 ** 32) }, fate, skew)
    })
    for (const [index, life] of (await Promise.all(lives)).entries()) {
      const fate = round[index]
      if (fate === undefined) continue
      note(report, fate, life)
      if (fate.kind === 'at a point' && life.hit === undefined) fates.push(fate)
    }
    report.rounds++
    await between()
  }
  return report
}

/** Every point once, and else a kill at random, in a random order. */
function plan(points: readonly string[], count: number, random: () => number): Fate[] {
  const fates: Fate[] = points.map(point => ({
    kind: 'at a point',
    point,
    delay: Math.floor(random() * 500),
  }))
  while (fates.length < count) fates.push(atRandom(random))
  for (let last = fates.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[fates[last], fates[other]] = [fates[other]!, fates[last]!]
  }
  return fates
}

function atRandom(random: () => number): Fate {
  return random() < 0.15
    ? { kind: 'stopped', delay: 300 }
    : { kind: 'at random', delay: Math.floor(random() * 1500) }
}

function note(report: RoundsReport, fate: Fate, { lines, hit, broken }: Life): void {
  const kind =
    fate.kind === 'at a point' && hit === undefined ? 'at a point that it did not come to' : fate.kind
  count(report.kills, kind)
  if (hit !== undefined) count(report.hit, hit)
  for (const line of lines) {
    if (line.startsWith('did ')) count(report.did, line.slice('did '.length))
    if (line.startsWith('refused ')) count(report.refused, line.slice('refused '.length))
  }
  report.broken.push(...broken)
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
