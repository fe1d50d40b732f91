import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { post } from '../integration/http.js'
import { failOnUnhandled } from '../upload/support.js'
import { uploadApp } from './upload-app.js'

failOnUnhandled()

const HEADERS = { 'x-tenant': 'acme', 'content-type': 'multipart/form-data; boundary=x' }

function form(count: number): Buffer {
  const parts = Array.from(
    { length: count },
    (_, index) =>
      `--x\r\nContent-Disposition: form-data; name="a"; filename="${index}.txt"\r\n\r\nfile ${index}\r\n`,
  )
  return Buffer.from(`${parts.join('')}--x--\r\n`)
}

/** An application that counts how many files are on their way to the backend. */
async function countingApp(pause = 1) {
  const app = await uploadApp()
  const seen = { now: 0, most: 0 }
  app.driver.before = async () => {
    seen.now++
    seen.most = Math.max(seen.most, seen.now)
    await sleep(pause)
  }
  app.driver.after = () => {
    seen.now--
  }
  return { app, seen }
}

it('a form of many small files takes the backend a few at a time, and keeps their order', async () => {
  const { app, seen } = await countingApp()
  const { status, json } = await post(app.url, HEADERS, form(200))
  expect(status).toBe(200)
  const names = (json as { files: { originalname: string }[] }).files.map(each => each.originalname)
  expect(names).toEqual(Array.from({ length: 200 }, (_, index) => `${index}.txt`))
  expect(await app.keys()).toHaveLength(200)
  expect(seen.most).toBeGreaterThan(1)
  expect(seen.most).toBeLessThanOrEqual(8)
})

it('one form does not wait for the files of another', async () => {
  const { app, seen } = await countingApp(20)
  const answers = await Promise.all([1, 2, 3].map(() => post(app.url, HEADERS, form(8))))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(seen.most).toBeGreaterThan(8)
})

it('a file that fails gives its place to one that waits', async () => {
  const { app } = await countingApp()
  let puts = 0
  app.driver.before = () => {
    puts++
    throw new Error('the backend is down')
  }
  const { status } = await post(app.url, HEADERS, form(40))
  expect([status, puts, await app.keys()]).toEqual([500, 40, []])
})

it('files that wait when the client leaves are not stored', async () => {
  const { app } = await countingApp(100)
  const leave = new AbortController()
  const answer = fetch(app.url, {
    method: 'POST',
    headers: HEADERS,
    body: form(100),
    signal: leave.signal,
  }).catch(() => 'left')
  while (app.driver.puts < 8) await sleep(5)
  leave.abort()
  expect(await answer).toBe('left')
  while (app.errors.length === 0) await sleep(5)
  expect(app.driver.puts).toBeLessThan(20)
  expect(await app.keys()).toEqual([])
})
