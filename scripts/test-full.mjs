// The full test suite: the same tests with TEST_FULL=1, under which a missing server is a failure, and TypeORM's rooms
// once more on its other versions and SQLite drivers (TEST_MATRIX=1; vitest.config.ts has the projects).
import { betterSqlite3 } from './better-sqlite3.mjs'
import { bin, npm, runHere } from './run.mjs'

const { module, why } = await betterSqlite3()
const env = { TEST_FULL: '1', TEST_MATRIX: '1', ...(module && { TEST_BETTER_SQLITE3: module }) }
process.exitCode =
  (await runHere([npm(), 'run', '--silent', 'build'])) ||
  (await runHere([bin('vitest'), 'run', ...process.argv.slice(2)], env))
// A compiler of C++ is no part of a Node machine, so this is said and not a failure.
if (why) console.error(`\nbetter-sqlite3 could not be compiled, so nothing was tested on it:\n${why}`)
