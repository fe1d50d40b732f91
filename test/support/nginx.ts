import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { aptProgram } from './apt-program.js'
import { freePort } from './ports.js'
import { tempDir } from './temp-dir.js'

/**
 * Runs nginx until the end of the test.
 *
 * @param server what stands in the `server` block, besides `listen`
 * @returns its address
 */
export async function startNginx(server: string): Promise<string> {
  const { program, env } = await aptProgram('nginx', 'nginx')
  const [folder, port] = [tempDir(), await freePort()]
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(path.join(folder, name))
  const configuration = path.join(folder, 'nginx.conf')
  writeFileSync(
    configuration,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/log;
    events {}
    http {
      access_log off; default_type application/octet-stream;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server { listen 127.0.0.1:${port}; ${server} }
    }`,
  )
  const nginx = spawn(program, ['-e', `${folder}/log`, '-c', configuration, '-p', folder], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  nginx.stderr.on('data', chunk => {
    said += chunk
  })
  const ended = once(nginx, 'exit')
  onTestFinished(async () => {
    nginx.kill('SIGTERM')
    await ended
  })
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; attempt < 200; attempt++) {
    if (nginx.exitCode !== null) break
    if (await fetch(url).then(Boolean, () => false)) return url
    await sleep(50)
  }
  throw new Error(`nginx did not start: ${said}`)
}
