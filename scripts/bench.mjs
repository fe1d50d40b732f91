// Runs benchmarks: each is a plain Node program, test/bench/<name>.bench.mjs, that measures the built library
// and sets the exit code to 1 when it misses its gate. One at a time: they measure CPU.
//
//   npm run bench              all of them
//   npm run bench -- sign put  the named ones
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { root, runHere } from './run.mjs'

const folder = path.join(root, 'test', 'bench')
const suffix = '.bench.mjs'
const all = existsSync(folder) ? readdirSync(folder).filter(file => file.endsWith(suffix)) : []
const names = all.map(file => file.slice(0, -suffix.length)).sort()
const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !names.includes(name))

if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(', ')}. There is: ${names.join(', ') || 'none yet'}.`)
  process.exitCode = 1
} else if (names.length === 0) {
  console.log('There are no benchmarks yet. Put one at test/bench/<name>.bench.mjs.')
} else {
  for (const name of wanted.length > 0 ? wanted : names) {
    console.log(`\n${name}`)
    if (await runHere(['--expose-gc', path.join(folder, name + suffix)])) process.exitCode = 1
  }
}
