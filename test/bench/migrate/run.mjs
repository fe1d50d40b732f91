// One way to move files, once, in a process of its own (child_process.fork): node run.mjs <variant> <context as JSON>.
// Says { ready: true } when all is loaded and connected. Answers anything with { seconds, cpu, warm, peak } of the move:
// in seconds, and in MiB of resident memory. Linux only: it reads /proc.
import { readFileSync, writeFileSync } from 'node:fs'
import { variants } from './variants.mjs'

const [name, context] = process.argv.slice(2)
const { run, close } = await variants[name](JSON.parse(context))

function memory(line) {
  const kib = new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(kib) / 1024
}

process.once('message', async () => {
  const warm = memory('VmRSS')
  writeFileSync('/proc/self/clear_refs', '5') // the peak from here on: proc_pid_clear_refs(5)
  const before = process.cpuUsage()
  const startedAt = performance.now()
  await run()
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(before)
  process.send({ seconds, cpu: (user + system) / 1e6, warm, peak: memory('VmHWM') })
  await close()
})
process.once('disconnect', () => process.exit())
process.send({ ready: true })
