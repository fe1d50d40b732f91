import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const program = path.join(import.meta.dirname, '../bench/large-upload.mjs')
const LIMIT = 120_000

// The built library, in a process of its own: here, the memory of vitest would be measured as well. The backends are
// stubs that keep nothing (test/bench/null-backends.mjs); the program fails when they received other bytes than it sent.
describe('a stream of 1 GiB takes at most 64 MiB of memory', () => {
  it.each([
    ['s3', 'put'],
    ['s3', 'storeFile'],
    ['spaces', 'put'],
    ['azure', 'put'],
    ['gcs', 'put'],
  ])(
    'on %s through %s',
    async (driver, through) => {
      const { stdout } = await run(process.execPath, [program, driver, through], { timeout: LIMIT })
      const { mib, parts, above } = JSON.parse(stdout)
      expect({ mib, parts }).toEqual({ mib: 1024, parts: 128 })
      expect(above).toBeLessThanOrEqual(64)
    },
    LIMIT + 10_000,
  )
})
