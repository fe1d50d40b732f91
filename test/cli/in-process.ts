import { PassThrough } from 'node:stream'
import { runCli } from '../../src/cli/program.js'
import { Screen } from '../../src/cli/screen.js'
import type { Answer } from '../tooling/tools.js'

/** How a command runs within the test's own process. */
export interface Run {
  readonly folder: string
  readonly args: readonly string[]
  /** Whether somebody watches: then there is a bar. */
  readonly isWatched?: true
  /** Ctrl-C. */
  readonly signal?: AbortSignal
}

/**
 * Runs a command as `tenant-files` would, but for the start of a process: the application's copy of the package is the
 * built one, and the command hands over to it.
 */
export async function runInProcess({ folder, args, isWatched, signal }: Run): Promise<Answer> {
  const [out, err] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: isWatched })]
  const texts = ['', '']
  out.on('data', data => (texts[0] += data))
  err.on('data', data => (texts[1] += data))
  const code = await runCli(args, {
    folder,
    screen: new Screen(out, err),
    signal: signal ?? new AbortController().signal,
    rooms: {
      typeorm: () => import('../../src/typeorm/index.js'),
      migrate: () => import('../../src/migrate/index.js'),
    },
  })
  out.end()
  err.end()
  const [stdout = '', stderr = ''] = texts
  return { code, stdout, stderr }
}
