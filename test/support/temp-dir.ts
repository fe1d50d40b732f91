import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, inject } from 'vitest'

const made: string[] = []

// once per test file, because this module is loaded once per test file
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** A new empty folder, removed after the tests of the file; at the latest with the run, also after kill -9. */
export function tempDir(): string {
  const folder = mkdtempSync(path.join(inject('runDir'), 'temp-'))
  made.push(folder)
  return folder
}
