// The migration engine against what else moves files from a disk to S3: a loop, a pool of the SDK's requests, rclone.
// The S3 keeps nothing, counts what it gets, and answers after 5 ms. Linux only.
//
//   BENCH_ROUNDS=1 npm run bench -- migrate     fewer rounds
//   BENCH_SETS=small npm run bench -- migrate   one set of files: small or large
//   BENCH_PROFILE=var/profiles …                writes a CPU profile of every process
import { judge } from './measure.mjs'
import { sets } from './migrate/files.mjs'
import { findRclone } from './migrate/rclone.mjs'
import { compare, printResults } from './migrate/runs.mjs'
import { startDatabase } from './support.mjs'

const [COPYING, WHOLE, LOOP, POOL] = [
  'tenant-files, copying',
  'tenant-files, whole run with PostgreSQL',
  'loop of HEAD and PutObject',
  'p-map and PutObject',
]
const UNHASHED = 'tenant-files, copying, without sha256'
const RCLONE = 'rclone --transfers 64 --s3-no-head'
const LEAST = {
  small: { [LOOP]: 50, [POOL]: 3, [RCLONE]: 1.2 },
  large: { [LOOP]: 1.5, [RCLONE]: 1 },
}
const ROUNDS = { small: 5, large: 3 }
/** Files under way, of every way that has more than one. */
const concurrency = 64
/** So many turns of the loop say how long all would take: more take minutes. */
const TURNS = 1000

const rclone = await findRclone()
const database = await startDatabase()
try {
  const gates = []
  for (const name of process.env.BENCH_SETS?.split(',') ?? Object.keys(sets)) {
    const set = sets[name]
    const rounds = Number(process.env.BENCH_ROUNDS ?? ROUNDS[name])
    const results = await compare(set, waysFor(set), { rounds, database: database.url, rclone, concurrency })
    printResults(set, results)
    for (const [way, atLeast] of Object.entries(LEAST[name])) {
      if (!results.has(way)) continue
      const value = results.get(way).each / results.get(COPYING).each
      gates.push({ what: `${set.title}: times faster than ${way}`, value, atLeast })
    }
  }
  judge(gates)
} finally {
  await database.end()
}

function waysFor({ count }) {
  return {
    [COPYING]: { variant: 'copying', verify: 'sha256' },
    [UNHASHED]: { variant: 'copying', verify: 'size' },
    [WHOLE]: { variant: 'whole run', verify: 'sha256' },
    [LOOP]: { variant: 'loop', count: Math.min(count, TURNS) },
    [POOL]: { variant: 'pool' },
    ...(rclone === undefined ? {} : { [RCLONE]: { variant: 'rclone' } }),
  }
}
