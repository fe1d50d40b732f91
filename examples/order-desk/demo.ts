import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startDesk } from './desk.js'
import { walkThrough } from './walk-through.js'

// npm run demo              walks through the whole job in a temporary folder, and cleans up
// npm run demo -- --serve   keeps running, with a plain upload page; files and rows stay in var/
const serves = process.argv.includes('--serve')
const folder = serves ? path.resolve('var') : await mkdtemp(path.join(tmpdir(), 'order-desk-'))
const desk = await startDesk({
  STORAGE_BACKEND: 'local',
  MEDIA_ROOT: path.join(folder, 'files'),
  DATABASE_FILE: path.join(folder, 'order-desk.sqlite'),
  // Made up anew at each start: signed addresses of an earlier run are void. In production it comes from outside.
  STORAGE_URL_SECRET: randomBytes(32).toString('base64'),
  ...process.env,
})
const server = desk.app.listen(serves ? Number(process.env.PORT ?? 3000) : 0, '127.0.0.1')
await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const stop = async () => {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  await desk.close()
  if (!serves) await rm(folder, { recursive: true, force: true })
}

if (serves) {
  console.log(`The order desk is open: ${address}\nFiles and rows stay in ${folder}. Stop with Ctrl+C.`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop())
} else {
  try {
    await walkThrough(desk, address, line => console.log(line))
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  } finally {
    await stop()
  }
}
