// All ways to take a file through Express and Multer side by side, without gates: those are in uploads.bench.mjs.
//
//   npm run bench -- uploads-compared                                    about ten minutes
//   BENCH_ROUNDS=1 BENCH_WORKLOADS=small npm run bench -- uploads-compared

import { startDatabase } from './support.mjs'
import { engines } from './uploads/engines.mjs'
import { compare, printResults, workloads } from './uploads/runs.mjs'

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const wanted = process.env.BENCH_WORKLOADS?.split(',') ?? Object.keys(workloads)

const database = await startDatabase()
try {
  for (const name of wanted)
    printResults(
      workloads[name],
      await compare(workloads[name], Object.keys(engines), { rounds, database: database.url }),
    )
} finally {
  await database.end()
}
