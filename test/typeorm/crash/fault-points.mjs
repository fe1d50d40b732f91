import { LocalDriver } from 'tenant-files/drivers/local'

/** What is said to the database, by its text. The first that fits counts. */
const STATEMENTS = [
  ['stage', /^INSERT INTO .file_ledger..+'pending'/s],
  ['release', /^INSERT INTO .file_ledger..+'delete'/s],
  ['renew', /^UPDATE .file_ledger. SET expires_at = /s],
  ['confirm', /^UPDATE .file_ledger. SET size = /s],
  ['claim', /^UPDATE .file_ledger. SET state = 'attached'/s],
  ['give back', /^UPDATE .file_ledger. SET state = 'pending'/s],
  ['condemn', /^UPDATE .file_ledger. SET state = 'delete', expires_at = NULL/s],
  ['take', /^UPDATE .file_ledger. SET state = '\w+', token = [?$]/s],
  ['bury', /^UPDATE .file_ledger. SET state = 'reaped', token = NULL/s],
  ['forget', /^DELETE FROM .file_ledger..+AND state = 'delete'/s],
  ['abandon', /^DELETE FROM .file_ledger..+AND state = 'pending'/s],
  ['drop', /^DELETE FROM .file_ledger..+AND token = /s],
  ['row lock', /^SELECT .+ FROM .page. .+FOR UPDATE/s],
  ['row insert', /^INSERT INTO .page./s],
  ['row update', /^UPDATE .page./s],
  ['row delete', /^DELETE FROM .page./s],
  ['savepoint', /^SAVEPOINT/s],
  ['savepoint release', /^RELEASE SAVEPOINT/s],
  ['savepoint rollback', /^ROLLBACK TO/s],
  ['rollback', /^ROLLBACK$/s],
]

const REAPERS = ['take', 'bury', 'drop']
const COMMITS = ['commit', 'reaper commit']
const around = names => names.flatMap(name => [`before ${name}`, `after ${name}`])

/** Where a worker can be told to kill itself. */
export const FAULT_POINTS = [
  ...around(STATEMENTS.map(([name]) => name)),
  ...around(COMMITS),
  ...around(['put', 'delete']),
  'inside put',
]

/** Those that the control run passes, too. */
export const NAIVE_FAULT_POINTS = around([
  'put',
  'row insert',
  'row update',
  'row delete',
  'commit',
  'delete',
])

/**
 * Kills this process in the moment in which it comes to a point: the signal is the kernel's, so that nothing is cleaned up,
 * and what was written to sockets before is on its way.
 */
export class FaultPoints {
  #point
  #say
  #isArmed = false

  /** @param say told what is hit, synchronously */
  constructor(point, say) {
    this.#point = point
    this.#say = say
  }

  /** Before that nothing happens, so that it is not always the first time. */
  arm(delay) {
    setTimeout(() => {
      this.#isArmed = true
    }, delay)
  }

  reach(point) {
    if (!this.#isArmed || point !== this.#point) return
    this.#say(`hit ${point}`)
    process.kill(process.pid, 'SIGKILL')
    // Not one step further, should the signal take a moment.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}

/** Watches all statements of a database's query runners, those of the ledger's own pool included. */
export function watchStatements(dataSource, points) {
  const prototype = Object.getPrototypeOf(dataSource.createQueryRunner())
  const { query } = prototype
  const transactions = new WeakMap()
  prototype.query = async function (sql, ...rest) {
    const name = nameOf(sql, transactions.get(this))
    if (sql === 'START TRANSACTION') transactions.set(this, 'empty')
    else if (REAPERS.includes(name)) transactions.set(this, 'reaper')
    else if (name !== undefined && transactions.get(this) === 'empty') transactions.set(this, 'rows')
    points.reach(`before ${name}`)
    const result = await query.call(this, sql, ...rest)
    points.reach(`after ${name}`)
    return result
  }
}

function nameOf(sql, transaction) {
  if (sql !== 'COMMIT') return STATEMENTS.find(([, pattern]) => pattern.test(sql))?.[0]
  if (transaction === 'reaper') return 'reaper commit'
  return transaction === 'rows' ? 'commit' : undefined
}

/** A local driver with points around what it does to objects. */
export class WatchedDriver extends LocalDriver {
  #points
  #puts = 0

  constructor(root, points) {
    super({ root })
    this.#points = points
  }

  async put(key, body, options) {
    this.#points.reach('before put')
    this.#puts++
    try {
      return await super.put(key, body, options)
    } finally {
      this.#puts--
      this.#points.reach('after put')
    }
  }

  async delete(key, options) {
    this.#points.reach('before delete')
    await super.delete(key, options)
    this.#points.reach('after delete')
  }

  /** To be called by bodies that are not yet at their end. */
  bytesFlow() {
    if (this.#puts > 0) this.#points.reach('inside put')
  }
}
