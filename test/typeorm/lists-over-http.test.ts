import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { FilesColumn, rulesOf } from '../../src/typeorm/index.js'
import { serveUploads } from '../multer/upload-app.js'
import { embeddedOptions } from '../support/sqlite.js'
import { house, states } from './databases.js'

@Entity()
class Gallery {
  @PrimaryGeneratedColumn()
  id!: number

  @FilesColumn({ folder: 'galleries', maxFiles: 3 })
  photos!: readonly StoredFile[] | null
}

/** A gallery, or a refusal. */
interface Answer {
  id?: number
  photos?: { name: string }[]
  error?: { code: string }
}

async function galleryApp() {
  const home = await house(async () => embeddedOptions(), [Gallery])
  const galleries = home.dataSource.getRepository(Gallery)
  const app = await serveUploads(home.storage, {
    rules: rulesOf(Gallery, 'photos'),
    route: upload => upload.array('photos'),
    handler: async (req, res) => {
      const photos = (req.files as Express.Multer.File[]).map(({ stored }) => stored)
      res.json(await galleries.save({ photos }))
    },
  })
  const send = async (count: number) => {
    const form = new FormData()
    for (let index = 0; index < count; index++)
      form.append('photos', new Blob([`photo ${index}`]), `${index}.txt`)
    const answer = await fetch(app.url, { method: 'POST', headers: { 'x-tenant': 'acme' }, body: form })
    return { status: answer.status, json: (await answer.json()) as Answer }
  }
  return { home, galleries, send }
}

it('a form of several files becomes the list of one row, in its order', async () => {
  const { home, galleries, send } = await galleryApp()
  const { status, json } = await send(3)
  expect(status).toBe(200)
  expect(json.photos?.map(({ name }) => name)).toEqual(['0.txt', '1.txt', '2.txt'])
  expect((await galleries.findOneByOrFail({ id: json.id })).photos?.map(({ name }) => name)).toEqual([
    '0.txt',
    '1.txt',
    '2.txt',
  ])
  expect(await states(home.dataSource)).toEqual({ attached: 3 })
})

it('a form of more files than the column takes makes no row, and its files end with their leases', async () => {
  const { home, galleries, send } = await galleryApp()
  const { status, json } = await send(4)
  expect([status, json.error?.code]).toEqual([400, 'ERR_FILE_COUNT'])
  expect(await galleries.count()).toBe(0)
  expect((await states(home.dataSource)).attached).toBeUndefined()
})
