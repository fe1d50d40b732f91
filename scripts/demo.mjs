// Builds and runs the example application: `npm run demo`, or `npm run demo -- --serve` to leave it running.
import path from 'node:path'
import { bin, root, runHere } from './run.mjs'

const example = path.join(root, 'examples', 'order-desk')
const built = await runHere([bin('typescript', 'tsc'), '-p', path.join(example, 'tsconfig.json')])
process.exitCode = built || (await runHere([path.join(example, 'dist', 'demo.js'), ...process.argv.slice(2)]))
