// Serving local files: serveFiles, every request with a signed address of its own that is verified afresh, against
// express.static without any check. Each serves from a process of its own; this process is the client, on sockets
// of its own making, so that it costs less than what it measures. Rounds alternate, and the order within them.
//
// Gate: in every case, the median over the rounds of requests per second must be 0.9 times those of express.static.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { createStorage, runWithTenant } from 'tenant-files'
import { LocalDriver } from 'tenant-files/drivers/local'
import { serveFiles } from 'tenant-files/express'

const GATE = 0.9
const KIB = 1024
const [SMALL, BIG] = [20 * KIB, 20 * KIB * KIB]
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 41)
const CASES = [
  { name: '20 KiB', size: SMALL, requests: 400, connections: 16 },
  {
    name: '20 KiB, a range of 10 KiB',
    size: SMALL,
    requests: 400,
    connections: 16,
    range: [5000, 10 * KIB],
  },
  { name: '20 MiB', size: BIG, requests: 8, connections: 4 },
  {
    name: '20 MiB, a range of 1 MiB',
    size: BIG,
    requests: 60,
    connections: 4,
    range: [9 * KIB * KIB, KIB * KIB],
  },
]
const FILES = new Map([
  [SMALL, 100],
  [BIG, 4],
])

if (process.argv[2] === 'server') await serve(process.argv[3], process.argv[4])
else await measure()

// --- the servers

/** Serves `root` in one of the two ways, and tells its processor time when it is asked. */
async function serve(way, root) {
  const app = express()
  const storage = storageOver(root)
  await storage.ready()
  app.use('/files', way === 'serveFiles' ? serveFiles(storage) : express.static(root))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.on('message', () => process.send(process.cpuUsage()))
  process.once('disconnect', () => process.exit())
  process.send(server.address().port)
}

function storageOver(root) {
  return createStorage({
    secret: 'the secret of a benchmark, long enough',
    backends: { local: new LocalDriver({ root }) },
  })
}

async function startServer(way, root) {
  const child = fork(fileURLToPath(import.meta.url), ['server', way, root], {
    env: { ...process.env, NODE_ENV: 'production' },
    execArgv: process.env.BENCH_PROFILE
      ? ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}/${way}`]
      : [],
  })
  const [port] = await once(child, 'message')
  const cpu = async () => {
    child.send('cpu?')
    const [{ user, system }] = await once(child, 'message')
    return user + system
  }
  return { way, port, cpu, stop: () => child.disconnect() }
}

// --- the client

async function measure() {
  const root = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
  const servers = []
  try {
    const addresses = await storeFiles(root)
    for (const way of ['serveFiles', 'express.static']) servers.push(await startServer(way, root))
    let failed = false
    console.log(
      'case | requests/s, ours | express.static | ratio | CPU per request, ours | express.static | ratio',
    )
    for (const each of CASES) failed = !(await compare(each, servers, addresses)) || failed
    console.log(
      failed ? `Missed: the gate is ${GATE} of express.static.` : `All at ${GATE} of express.static or more.`,
    )
    if (failed) process.exitCode = 1
  } finally {
    for (const server of servers) server.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

/** @returns by size, and by way of serving, the paths to ask for */
async function storeFiles(root) {
  const storage = storageOver(root)
  await storage.ready()
  const disk = storage.disk('media')
  const addresses = new Map()
  for (const [size, count] of FILES) {
    const paths = { serveFiles: [], 'express.static': [] }
    for (let number = 0; number < count; number++) {
      const key = `order_files/${size}-${number}.pdf`
      await runWithTenant('acme', async () => {
        await disk.put(key, randomBytes(size), { contentType: 'application/pdf' })
        paths.serveFiles.push(
          disk.signedUrl(key, {}, { type: 'application/pdf', name: `Invoice ${number}.pdf` }),
        )
      })
      paths['express.static'].push(`/files/media/acme/${key}`)
    }
    addresses.set(size, paths)
  }
  return addresses
}

async function compare(each, servers, addresses) {
  const results = new Map(servers.map(({ way }) => [way, []]))
  for (let round = -3; round < ROUNDS; round++) {
    for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
      const result = await run(each, server, addresses.get(each.size)[server.way])
      if (round >= 0) results.get(server.way).push(result) // the first rounds warm up
    }
  }
  const [ours, theirs] = servers.map(({ way }) => results.get(way))
  const of = (runs, what) => median(runs.map(result => result[what]))
  const ratio = what => median(ours.map((result, round) => result[what] / theirs[round][what]))
  const micro = runs => `${Math.round(of(runs, 'cpu'))} µs`
  const perSecond = runs => of(runs, 'rate').toFixed(0)
  const rates = [perSecond(ours), perSecond(theirs), ratio('rate').toFixed(2)]
  console.log([each.name, ...rates, micro(ours), micro(theirs), ratio('cpu').toFixed(2)].join(' | '))
  return ratio('rate') >= GATE
}

async function run({ size, requests, connections, range }, server, paths) {
  const headers = `Host: 127.0.0.1:${server.port}\r\n${range ? `Range: bytes=${range[0]}-${range[0] + range[1] - 1}\r\n` : ''}`
  const expected = { status: range ? 206 : 200, length: range ? range[1] : size }
  let asked = 0
  const nextRequest = () =>
    asked < requests ? `GET ${paths[asked++ % paths.length]} HTTP/1.1\r\n${headers}\r\n` : undefined
  const [cpuBefore, start] = [await server.cpu(), performance.now()]
  await Promise.all(Array.from({ length: connections }, () => reader(server.port, nextRequest, expected)))
  const seconds = (performance.now() - start) / 1000
  return { rate: requests / seconds, cpu: ((await server.cpu()) - cpuBefore) / requests }
}

/** One connection that is kept alive: asks, reads the answer to its last byte, and asks again. */
async function reader(port, nextRequest, expected) {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(30_000, () => socket.destroy(new Error('A server fell silent.')))
  let head = ''
  let missing = 0
  const ask = () => {
    const request = nextRequest()
    if (request === undefined) return socket.end()
    head = ''
    missing = -1
    socket.write(request)
  }
  socket.once('connect', ask)
  socket.on('data', chunk => {
    if (missing < 0) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      assertHead(head, expected)
      missing = expected.length - (head.length - end - 4)
    } else missing -= chunk.length
    if (missing === 0) ask()
  })
  await once(socket, 'close')
}

function assertHead(head, { status, length }) {
  const isFine =
    head.startsWith(`HTTP/1.1 ${status} `) && head.toLowerCase().includes(`content-length: ${length}\r\n`)
  if (!isFine) throw new Error(`Not the answer that was expected: ${head.slice(0, 200)}`)
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
