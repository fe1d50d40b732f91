// Runs the ways to move files, every one in every round, every second round backwards, each in a fresh process and with
// the S3 in another. A migration is a program that runs once, so nothing is warmed up.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { start } from '../child.mjs'
import { printTable, show } from '../measure.mjs'
import { makeFiles } from './files.mjs'
import { copyFolder } from './rclone.mjs'

/** Seconds before every answer of the S3. */
const LATENCY = 0.005

/**
 * @param ways by name: `variant`, how many files (`count`; default: all), and what else it is run with
 * @returns by name: medians of the milliseconds and of the processor time a file, and of the memory
 */
export async function compare(set, ways, { rounds, ...common }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
  const at = name => path.join(folder, name)
  const s3 = await start(new URL('../null-s3.mjs', import.meta.url), [])
  const results = new Map(Object.keys(ways).map(name => [name, []]))
  try {
    mkdirSync(at('empty'))
    makeFiles(set, at('files'), at('list.json'))
    await s3.ask({ slow: { latency: LATENCY, rate: 0 } })
    const places = { root: at('files'), list: at('list.json'), empty: at('empty') }
    const context = { ...common, ...set, ...places, endpoint: `http://127.0.0.1:${s3.hello.port}` }
    for (let round = 0; round < rounds; round++)
      for (const name of round % 2 === 0 ? results.keys() : [...results.keys()].reverse())
        results.get(name).push(await measured({ ...context, ...ways[name] }, s3))
  } finally {
    await s3.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return new Map([...results].map(([name, runs]) => [name, mediansOf(runs)]))
}

/** One run, and what the S3 saw of it. */
async function measured(context, s3) {
  const { variant, count, size } = context
  const { seconds, cpu, ...memory } = await (variant === 'rclone'
    ? byRclone(context, s3)
    : byNode(context, s3))
  const { objects, bytes, cpu: s3Cpu } = await s3.ask({ count: true })
  if (objects !== count || bytes !== count * size)
    throw new Error(`${variant}: ${objects} objects of ${bytes} bytes came to the S3.`)
  const inAll = { each: (seconds / count) * 1000, cpuEach: (cpu / count) * 1000, s3Busy: s3Cpu / seconds }
  return { ...inAll, ...memory }
}

async function byNode({ rclone, ...context }, s3) {
  const profile = process.env.BENCH_PROFILE
  const folder = path.join(profile ?? '', context.variant.replaceAll(' ', '-'))
  const execArgv = profile ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : []
  const args = [context.variant, JSON.stringify(context)]
  const child = await start(new URL('./run.mjs', import.meta.url), args, { execArgv })
  try {
    await s3.ask({ count: true })
    return await child.ask({ run: true })
  } finally {
    await child.stop()
  }
}

/** Less what the same command takes for a folder without files: to start is no part of the copying. */
async function byRclone({ rclone, root, empty, endpoint }, s3) {
  const start = await copyFolder(rclone, empty, endpoint)
  await s3.ask({ count: true })
  const copy = await copyFolder(rclone, path.join(root, 'media'), endpoint)
  return { seconds: copy.seconds - start.seconds, cpu: copy.cpu - start.cpu }
}

function mediansOf(runs) {
  const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
  return Object.fromEntries(Object.keys(runs[0]).map(name => [name, median(runs.map(each => each[name]))]))
}

/** One set as a table, the slowest way first, each beside the first of all ways. */
export function printResults({ title, size }, results) {
  const [[first, ours]] = results
  const rows = [...results]
    .sort(([, a], [, b]) => b.each - a.each)
    .map(([name, { each, cpuEach, s3Busy, warm, peak }]) => [
      name,
      show(each),
      `${(each / ours.each).toFixed(2)}x`,
      show(1000 / each),
      show(size / 1e3 / each),
      show(cpuEach),
      `${(cpuEach / ours.cpuEach).toFixed(2)}x`,
      peak === undefined ? '' : `${Math.round(warm)}, ${Math.round(peak)}`,
      `${Math.round(s3Busy * 100)} %`,
    ])
  printTable(
    [
      ...[title, 'ms a file', `of "${first}"`, 'files/s', 'MB/s'],
      ...['CPU ms a file', `of "${first}"`, 'MiB: warm, at most', 'the S3 was busy'],
    ],
    rows,
  )
}
