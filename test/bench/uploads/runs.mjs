// Runs the variants against the workloads: the S3 in one process, the application in another, fresh for every run and
// warmed up, the client in this one.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { start } from '../child.mjs'
import { printTable, show } from '../measure.mjs'
import { fileOf, openClient } from './client.mjs'
import { engines } from './engines.mjs'

const [KIB, MIB] = [1024, 1024 * 1024]
const FAST = { latency: 0, rate: 0 }
const jpeg = { name: 'photo.jpg', type: 'image/jpeg', magic: Buffer.from('ffd8ffe000104a46494600', 'hex') }
const pdf = { name: 'scan.pdf', type: 'application/pdf', magic: Buffer.from('%PDF-1.7\n') }
const mp4 = { name: 'film.mp4', type: 'video/mp4', magic: Buffer.from('\0\0\0\x20ftypisom\0\0\x02\0') }
const SMALL = { ...jpeg, size: 100 * KIB }

/** Small files before all else. */
const WARM_UP = 300

/** The kinds of load. */
export const workloads = {
  // As long as a server runs, not as long as it starts: V8 compiles during the first thousands of files.
  small: {
    title: '100 KiB, 64 at once',
    file: SMALL,
    count: 3000,
    connections: 64,
    slow: FAST,
    warmUp: 3000,
  },
  young: {
    title: '100 KiB, 64 at once, in a young process',
    file: SMALL,
    count: 600,
    connections: 64,
    slow: FAST,
    warmUp: 0,
  },
  medium: {
    title: '10 MiB, 8 at once',
    file: { ...pdf, size: 10 * MIB },
    count: 40,
    connections: 8,
    slow: FAST,
    warmUp: 8,
  },
  large: {
    title: '512 MiB',
    file: { ...mp4, size: 512 * MIB },
    count: 1,
    connections: 1,
    slow: FAST,
    warmUp: 0,
  },
  // Warmed up by small files only: memory that an engine keeps for large ones counts.
  throttled: {
    title: '64 MiB, 16 at once, the S3 at 4 MB/s a connection and 20 ms an answer',
    file: { ...mp4, size: 64 * MIB },
    count: 16,
    connections: 16,
    slow: { latency: 0.02, rate: 4e6 },
    warmUp: 0,
  },
}

/**
 * Every variant in every round, every second round backwards.
 *
 * @returns by variant: the median of each number
 */
export async function compare(workload, variants, { rounds, database }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
  const s3 = await start(new URL('../null-s3.mjs', import.meta.url), [])
  const context = { endpoint: `http://127.0.0.1:${s3.hello.port}`, folder, database }
  const files = { small: fileOf(SMALL), own: fileOf(workload.file) }
  const results = new Map(variants.map(variant => [variant, []]))
  try {
    for (let round = 0; round < rounds; round++)
      for (const variant of round % 2 === 0 ? variants : variants.toReversed())
        results.get(variant).push(await run(variant, workload, files, s3, context))
  } finally {
    await s3.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return new Map([...results].map(([variant, runs]) => [variant, mediansOf(runs)]))
}

async function run(variant, workload, files, s3, context) {
  const profile = process.env.BENCH_PROFILE
  const execArgv = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}/${variant}`] : []
  const app = await start(new URL('./app.mjs', import.meta.url), [variant, JSON.stringify(context)], {
    execArgv,
  })
  let client
  try {
    const { count, connections, warmUp } = workload
    client = await openClient(app.hello.port, connections)
    await client.uploadAll(files.small, WARM_UP)
    await client.uploadAll(files.own, warmUp)
    await s3.ask({ slow: workload.slow })
    const before = await app.ask({ ask: 'start' })
    const { seconds, latencies } = await client.uploadAll(files.own, count)
    const after = await app.ask({ ask: 'end' })
    assertStored(variant, workload, await s3.ask({ slow: FAST }))
    latencies.sort((a, b) => a - b)
    const cpu = after.cpu - before.cpu
    return {
      cpu,
      cpuEach: (cpu / count) * 1000,
      rate: count / seconds,
      megabytes: (count * files.own.size) / seconds / 1e6,
      p50: latencies[Math.ceil(0.5 * count) - 1],
      p99: latencies[Math.ceil(0.99 * count) - 1],
      warm: before.resident,
      above: after.peak - before.resident,
    }
  } finally {
    client?.close()
    await app.stop()
  }
}

/** Whoever sends less than it should is fast. */
function assertStored(variant, { count, file }, { objects, bytes, bytesWithCrc32 }) {
  const { stores = false, crc32 = false } = engines[variant]
  const wanted = stores ? { objects: count, bytes: count * file.size } : { objects: 0, bytes: 0 }
  if (objects !== wanted.objects || bytes !== wanted.bytes)
    throw new Error(`${variant}: ${objects} objects of ${bytes} bytes came to the S3.`)
  if (crc32 && bytesWithCrc32 !== bytes)
    throw new Error(`${variant}: ${bytesWithCrc32} of ${bytes} bytes came with a CRC32.`)
}

function mediansOf(runs) {
  const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
  return Object.fromEntries(Object.keys(runs[0]).map(name => [name, median(runs.map(each => each[name]))]))
}

/** One workload as a table; the variants are in the order of their processor time. */
export function printResults({ title }, results) {
  const theirs = results.get('multer-s3')
  const rows = [...results]
    .sort(([, a], [, b]) => b.cpu - a.cpu)
    .map(([variant, { cpuEach, megabytes, rate, p50, p99, warm, above, cpu }]) => [
      variant,
      show(cpuEach),
      `${(theirs.cpu / cpu).toFixed(2)}x`,
      show(megabytes),
      show(rate),
      show(p50),
      show(p99),
      `${Math.round(warm)} + ${Math.round(above)}`,
    ])
  printTable(
    [
      title,
      'CPU ms a file',
      'multer-s3 ÷ this',
      'MB/s',
      'files/s',
      'p50 ms',
      'p99 ms',
      'MiB: warm + peak above',
    ],
    rows,
  )
}
