import { expect, it } from 'vitest'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import { pushStatic, staticUrls } from '../../../src/upload/index.js'
import { keysOf, storageOver } from '../support.js'
import { BUILD, folderOf } from './folder.js'

it('a misspelt option of pushStatic is refused before anything is stored', async () => {
  const driver = new MemoryDriver()
  const push = pushStatic(storageOver(driver), folderOf(BUILD), { stail: 'delete' } as object)
  await expect(push).rejects.toThrow('There is no option "stail" of pushStatic(). Options: disk, prefix')
  expect(await keysOf(driver)).toEqual([])
})

it('a misspelt option of staticUrls is refused', () => {
  const urls = () => staticUrls(storageOver(new MemoryDriver()), { manifst: {} } as object)
  expect(urls).toThrow('There is no option "manifst" of staticUrls(). Options: disk, prefix, manifest.')
})
