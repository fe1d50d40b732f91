// Uploads through Express and Multer to S3: this library with sha256, CRC32, sniffing and the null ledger against
// multer-s3, which hashes and checks nothing of the file. The gates are ratios of the application's processor time, and
// of the memory it takes above what it holds when it is warm.
//
//   BENCH_ROUNDS=3 npm run bench -- uploads     fewer rounds
//   BENCH_WORKLOADS=small,young …               some of the workloads
//   BENCH_PROFILE=var/profiles …               writes a CPU profile of every application
import { judge } from './measure.mjs'
import { compare, printResults, workloads } from './uploads/runs.mjs'

const [OURS, THEIRS] = ['tenant-files', 'multer-s3']
const ROUNDS = { small: 5, young: 7, medium: 7, large: 7, throttled: 3 }
const LEAST = { small: 1.8, young: 1.8, medium: 1.5, large: 1.8 }
const MOST_MEMORY = 0.5

const gates = []
const wanted = process.env.BENCH_WORKLOADS?.split(',')
for (const [name, workload] of Object.entries(workloads)) {
  if (wanted?.includes(name) === false) continue
  const rounds = Number(process.env.BENCH_ROUNDS ?? ROUNDS[name])
  const results = await compare(workload, [OURS, THEIRS], { rounds })
  printResults(workload, results)
  const [ours, theirs] = [results.get(OURS), results.get(THEIRS)]
  if (name in LEAST) {
    gates.push({
      what: `${workload.title}: times less CPU than multer-s3`,
      value: theirs.cpu / ours.cpu,
      atLeast: LEAST[name],
    })
  } else if (name === 'throttled') {
    gates.push({
      what: `${workload.title}: memory above warm, of multer-s3's`,
      value: ours.above / theirs.above,
      atMost: MOST_MEMORY,
    })
  }
}
judge(gates)
