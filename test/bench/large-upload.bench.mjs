// The memory of a 1 GiB upload, three times per driver, each in a process of its own (large-upload.mjs). The gate is the
// promise: at most 64 MiB above the warm process.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const GATE = 64
const program = fileURLToPath(new URL('./large-upload.mjs', import.meta.url))
const runs = ['s3 put', 's3 storeFile', 'spaces put', 'azure put', 'gcs put']
const env = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' }

for (const run of runs) {
  for (let round = 0; round < 3; round++) {
    const args = [program, ...run.split(' ')]
    const said = execFileSync(process.execPath, args, { env, timeout: 120_000, encoding: 'utf8' })
    const { warm, peak, above, seconds } = JSON.parse(said)
    console.log(`${run.padEnd(14)} ${warm} MiB warm, ${peak} MiB at most, +${above} MiB, ${seconds} s`)
    if (above > GATE) process.exitCode = 1
  }
}
if (process.exitCode === 1) console.log(`A run took more than ${GATE} MiB.`)
