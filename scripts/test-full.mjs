// The full test suite: the same tests with TEST_FULL=1, under which a missing server is a failure.
import { bin, npm, runHere } from './run.mjs'

process.exitCode =
  (await runHere([npm(), 'run', '--silent', 'build'])) ||
  (await runHere([bin('vitest'), 'run', ...process.argv.slice(2)], { TEST_FULL: '1' }))
