import { expect, it } from 'vitest'
import { runAsSystem, runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { rulesOf } from '../../src/typeorm/index.js'
import { copyFile } from '../../src/upload/index.js'
import { house, ledgerOf, memoryStorage, stateOf, states, upload } from './databases.js'
import { Contract, ORDER_RULES, Order } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

describeOnSqliteFirst('a copy of a file', fresh => {
  it('lets a second row have the same content, and each lives for itself', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const first = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES, { body: 'same' }) })
    const file = await runWithTenant('acme', () => copyFile(home.storage, first.file))
    expect(await stateOf(home.dataSource, file)).toBe('pending')
    const { id } = await orders.save({ title: 'y', file })
    await orders.remove(await orders.findOneByOrFail({ id: first.id }))
    const second = await orders.findOneByOrFail({ id })
    expect(second.file).toMatchObject({ name: 'a.txt', size: 4, type: 'text/plain', sha256: file.sha256 })
    const bytes = await runWithTenant('acme', async () => second.file?.bytes())
    expect(String(bytes)).toBe('same')
  })

  it('is what the error of a second row advises', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { file } = await orders.save({ file: await upload(home, ORDER_RULES) })
    const advice = { code: 'ERR_FILE_STALE', message: expect.stringContaining('copyFile()') }
    await expect(orders.save({ file })).rejects.toMatchObject(advice)
  })

  it('fits another column, of the same disk or another', async () => {
    const home = await house(fresh, [Order, Contract])
    const { file } = await home.dataSource
      .getRepository(Order)
      .save({ file: await upload(home, ORDER_RULES, { body: 'same' }) })
    const contracts = home.dataSource.getRepository(Contract)
    const [draft, avatar] = await runWithTenant('acme', async () => [
      await copyFile(home.storage, file, rulesOf(Contract, 'draft')),
      await copyFile(home.storage, file, rulesOf(Contract, 'avatar')),
    ])
    await contracts.save({ id: 1, draft, avatar })
    expect(avatar).toMatchObject({ disk: 'public-media', name: 'a.txt', sha256: file.sha256 })
    expect(await states(home.dataSource)).toEqual({ attached: 3 })
  })

  it('is judged by the rules of its column', async () => {
    const home = await house(fresh, [])
    const file = await upload(home, ORDER_RULES)
    const copy = (rules: object) =>
      runWithTenant('acme', () => copyFile(home.storage, file, { folder: 'x', ...rules }))
    await expect(copy({ accept: ['image/*'] })).rejects.toMatchObject({ code: 'ERR_FILE_TYPE' })
    await expect(copy({ maxSize: 4 })).rejects.toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('is made of one’s own files only, and stays its tenant’s', async () => {
    const home = await house(fresh, [])
    const file = await upload(home, ORDER_RULES)
    const copy = () => copyFile(home.storage, file)
    await expect(copy()).rejects.toMatchObject({ code: 'ERR_TENANT_REQUIRED' })
    await expect(runWithTenant('rival', copy)).rejects.toMatchObject({ code: 'ERR_TENANT_MISMATCH' })
    expect(await runAsSystem('copy for acme', copy)).toMatchObject({ tenant: 'acme' })
    const lines = await ledgerOf(home.dataSource)
    expect(lines.map(({ tenant }) => tenant)).toEqual(['acme', 'acme'])
  })

  it('leaves no line when the file is gone', async () => {
    const home = await house(fresh, [])
    const file = await upload(home, ORDER_RULES)
    await runWithTenant('acme', async () => {
      await home.storage.disk('media').delete(file)
      await expect(copyFile(home.storage, file)).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
    })
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('leaves its line to the lease when the backend fails', async () => {
    const memory = new MemoryDriver()
    const home = await house(fresh, [], { storage: memoryStorage({ memory }) })
    const file = await upload(home, ORDER_RULES)
    memory.copy = () => Promise.reject(new Error('no answer'))
    const copying = runWithTenant('acme', () => copyFile(home.storage, file))
    await expect(copying).rejects.toThrow()
    expect(await states(home.dataSource)).toEqual({ pending: 2 })
  })
})
