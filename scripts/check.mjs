// Everything but the tests, one line per step: `npm run check`. All steps run, whatever fails before them, and
// only a failed one shows its output. Words on the command line pick steps: `npm run check -- biome types`.
import path from 'node:path'
import { bin, npm, root, run } from './run.mjs'

const steps = [
  ['biome', [bin('@biomejs/biome', 'biome'), 'check', '--error-on-warnings', '--max-diagnostics=100']],
  ['build', [npm(), 'run', '--silent', 'build']],
  // After the build: the examples import the library by its name, and so its built types.
  ['types', [bin('typescript', 'tsc'), '--noEmit']],
  ['knip', [bin('knip')]],
  ['publint', [bin('publint'), '--strict']],
  ['attw', [bin('@arethetypeswrong/cli', 'attw'), '--pack', '.', '--profile', 'esm-only', '--no-emoji']],
  ['lock', [path.join(root, 'scripts', 'check-lock.mjs')]],
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !steps.some(([step]) => step === name))
if (unknown.length > 0) {
  console.error(
    `No step is called ${unknown.join(', ')}. There is: ${steps.map(([name]) => name).join(', ')}.`,
  )
  process.exit(1)
}

const failed = []
for (const [name, args] of steps) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const started = Date.now()
  const { code, output } = await run(args, { timeout: 300_000 })
  console.log(
    `${code === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${((Date.now() - started) / 1000).toFixed(1)} s`,
  )
  if (code !== 0) {
    failed.push(name)
    console.log(output.trimEnd())
  }
}
console.log(failed.length === 0 ? 'Everything is in order.' : `Failed: ${failed.join(', ')}.`)
if (failed.length > 0) process.exitCode = 1
