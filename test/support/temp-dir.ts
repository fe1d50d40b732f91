import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { inject } from 'vitest'
import { afterThisFile } from './ends.js'

/** A new empty folder, removed after the tests of the file; at the latest with the run, also after kill -9. */
export function tempDir(): string {
  const folder = mkdtempSync(path.join(inject('runDir'), 'temp-'))
  afterThisFile(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}
