// How the benchmarks measure. Every variant runs in every round, and every second round goes backwards, so that what
// the machine does meanwhile hits all of them alike. CPU time, because wall time also counts the neighbours. Medians.

/**
 * Microseconds of CPU for one call of each variant.
 *
 * @param variants by name: `run(prepared)` makes `calls` calls and may be async; `prepare(round, calls)` is not timed
 * @returns the medians by name
 */
export async function measure(variants, { rounds = 15 } = {}) {
  const entries = Object.entries(variants)
  const times = Object.fromEntries(entries.map(([name]) => [name, []]))
  for (let round = -2; round < rounds; round++) {
    for (const [name, variant] of round % 2 === 0 ? entries : entries.toReversed()) {
      const time = await timeOf(variant, round)
      // The first two rounds are for the compiler.
      if (round >= 0) times[name].push(time)
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]))
}

async function timeOf({ prepare, run, calls }, round) {
  const prepared = await prepare?.(round, calls)
  const before = process.cpuUsage()
  const pending = run(prepared)
  if (pending !== undefined) await pending
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

/**
 * Bytes of the heap that one call allocates.
 *
 * @param calls so few that nothing is collected meanwhile
 */
export async function bytesPerCall({ prepare, run }, calls, rounds = 15) {
  const values = []
  for (let round = 100; round < 100 + rounds; round++) {
    const prepared = await prepare?.(round, calls)
    globalThis.gc()
    const before = process.memoryUsage().heapUsed
    const pending = run(prepared)
    if (pending !== undefined) await pending
    values.push((process.memoryUsage().heapUsed - before) / calls)
  }
  return median(values)
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Prints rows of cells as a Markdown table. */
export function printTable(head, rows) {
  console.log(`\n| ${head.join(' | ')} |\n|${head.map(() => '---|').join('')}`)
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
}

/** Prints each gate with what was measured; one that is missed sets the exit code to 1. */
export function judge(gates) {
  console.log('')
  for (const { what, value, atLeast, atMost, unit = '' } of gates) {
    const holds = atLeast === undefined ? value <= atMost : value >= atLeast
    const gate = atLeast === undefined ? `at most ${show(atMost)}` : `at least ${show(atLeast)}`
    console.log(`${holds ? 'holds ' : 'MISSED'} ${what}: ${show(value)}${unit} (gate: ${gate}${unit})`)
    if (!holds) process.exitCode = 1
  }
}

/** A number as people read it. */
export function show(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
