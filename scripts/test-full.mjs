// The full test suite: the same tests with TEST_FULL=1, under which a missing server is a failure.
import { bin, runHere } from './run.mjs'

process.exitCode = await runHere([bin('vitest'), 'run', ...process.argv.slice(2)], { TEST_FULL: '1' })
