// Builds the library and the example application and runs it: `npm run demo`, or `npm run demo -- --serve` to
// leave it running until Ctrl-C. Where a program stops it, start this file itself: npm's shell hands no SIGTERM on.
import path from 'node:path'
import { bin, npm, root, runHere } from './run.mjs'

const example = path.join(root, 'examples', 'order-desk')
process.exitCode =
  (await runHere([npm(), 'run', '--silent', 'build'])) ||
  (await runHere([bin('typescript', 'tsc'), '-p', path.join(example, 'tsconfig.json')])) ||
  (await runHere([path.join(example, 'dist', 'demo.js'), ...process.argv.slice(2)]))
