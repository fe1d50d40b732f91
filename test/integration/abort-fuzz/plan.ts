import { createHash, randomBytes } from 'node:crypto'

const KIB = 1024
const MIB = 1024 * KIB

/** When a client goes, and how. */
export interface Cut {
  /** Of the request that it sends, headers included. */
  readonly bytes: number
  /** Milliseconds that it then waits. */
  readonly pause: number
  /** A FIN, as when a browser is closed, or a RST, as from a network that breaks. */
  readonly farewell: 'end' | 'reset'
}

export interface PlannedUpload {
  readonly name: string
  readonly tenant: string
  readonly sha256: string
  /** What goes over the wire: all before the file, the file, all after it. */
  readonly request: readonly [Buffer, Buffer, Buffer]
  /** Bytes written at once. */
  readonly piece: number
  /** The chance that the client pauses for a moment between two pieces. */
  readonly hesitation: number
  /** Of its pauses. */
  readonly seed: number
  /** Absent for an upload that is to succeed. */
  readonly cut?: Cut
}

/** Numbers from 0 to 1 that a seed decides (mulberry32, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

// Files are slices of it: long random ones cost more to make than to upload.
const STOCK = randomBytes(24 * MIB)

/** So many uploads, some of them cut, in a random order. */
export function planUploads(seed: number, counts: { cut: number; whole: number }): PlannedUpload[] {
  const random = randomFrom(seed)
  const plan = Array.from({ length: counts.cut + counts.whole }, (_each, index) =>
    planUpload(random, index, index < counts.cut),
  )
  for (let last = plan.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[plan[last], plan[other]] = [plan[other]!, plan[last]!]
  }
  return plan
}

function planUpload(random: () => number, index: number, isCut: boolean): PlannedUpload {
  const between = (low: number, high: number) => Math.floor(low + random() * (high - low))
  const size = pick(random, [
    [0.05, () => between(1, 10)],
    [0.5, () => between(10, 200 * KIB)],
    [0.3, () => between(200 * KIB, 2 * MIB)],
    // More than one part.
    [0.15, () => between(6 * MIB, 14 * MIB)],
  ])
  const start = between(0, STOCK.length - size)
  const content = STOCK.subarray(start, start + size)
  const name = `${index}.bin`
  const tenant = `t${index % 5}`
  const request = requestOf(name, tenant, content)
  return {
    name,
    tenant,
    sha256: createHash('sha256').update(content).digest('hex'),
    request,
    piece: pick(random, [
      [0.3, () => between(500, 8 * KIB)],
      [0.7, () => between(16 * KIB, 256 * KIB)],
    ]),
    hesitation: random() < 0.3 ? 0.3 : 0.02,
    seed: between(0, 2 ** 31),
    ...(isCut ? { cut: planCut(random, request) } : {}),
  }
}

function planCut(random: () => number, request: PlannedUpload['request']): Cut {
  const between = (low: number, high: number) => Math.floor(low + random() * (high - low))
  const [head, file, tail] = request.map(part => part.length) as [number, number, number]
  const bytes = pick(random, [
    [0.1, () => between(0, head)],
    [0.6, () => between(head, head + file + 1)],
    [0.05, () => head + file],
    [0.05, () => between(head + file, head + file + tail)],
    // All is sent, and the server at work.
    [0.2, () => head + file + tail],
  ])
  const pause = random() < 0.5 ? 0 : between(0, 100)
  return { bytes, pause, farewell: random() < 0.5 ? 'end' : 'reset' }
}

/** One of some values, each with its chance. */
function pick(random: () => number, choices: readonly (readonly [number, () => number])[]): number {
  let point = random()
  for (const [chance, value] of choices) {
    point -= chance
    if (point < 0) return value()
  }
  return choices.at(-1)![1]()
}

function requestOf(name: string, tenant: string, content: Buffer): [Buffer, Buffer, Buffer] {
  const boundary = '----abort-fuzz'
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  const tail = `\r\n--${boundary}--\r\n`
  const length = head.length + content.length + tail.length
  const headers = `POST / HTTP/1.1\r\nHost: localhost\r\nX-Tenant: ${tenant}\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${length}\r\n\r\n`
  return [Buffer.from(headers + head), content, Buffer.from(tail)]
}
