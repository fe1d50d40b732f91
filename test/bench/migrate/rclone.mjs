// rclone of the distribution, which people take when they need no database: installed, or unpacked into the cache.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { load } from '../support.mjs'

const run = promisify(execFile)

/** Its fastest way to S3: so many files at once, and no look at each one that was stored. */
const FLAGS = ['--transfers', '64', '--s3-no-head']

/** @returns undefined where there is none, which is said */
export async function findRclone() {
  const { aptProgram } = await load('apt-program')
  try {
    const { program, env } = await aptProgram('rclone', 'rclone')
    const { stdout } = await run(program, ['version'], { env })
    return { program, env, version: stdout.split('\n', 1)[0] }
  } catch (error) {
    console.log(`\nWithout rclone, which is neither installed nor to be had: ${error.message}`)
    return undefined
  }
}

/** Copies a folder into the bucket. @returns seconds and processor time of the process */
export async function copyFolder({ program, env }, folder, endpoint) {
  const remote = {
    RCLONE_CONFIG: '/dev/null',
    AWS_CA_BUNDLE: '', // its SDK cannot take one
    RCLONE_CONFIG_NULL_TYPE: 's3',
    RCLONE_CONFIG_NULL_PROVIDER: 'Other',
    RCLONE_CONFIG_NULL_ENDPOINT: endpoint,
    RCLONE_CONFIG_NULL_ACCESS_KEY_ID: 'KEY',
    RCLONE_CONFIG_NULL_SECRET_ACCESS_KEY: 'secret',
  }
  // bash tells the processor time of what it runs.
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" 2>&1'
  const args = ['-c', script, 'bash', program, 'copy', folder, 'null:files/media', ...FLAGS]
  const { stderr } = await run('bash', args, { env: { ...env, ...remote } })
  const [seconds, user, system] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { seconds, cpu: user + system }
}
