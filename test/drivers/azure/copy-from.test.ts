import { randomUUID } from 'node:crypto'
import { ContainerClient, ContainerSASPermissions } from '@azure/storage-blob'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { AzureDriver } from '../../../src/drivers/azure/index.js'
import { copyFromCases } from '../../../src/testing/index.js'
import { createContainer, describeWithAzurite, listAllBlobs } from '../../support/azure.js'
import { driverOn } from './driver-on-azurite.js'

const CREATE = { contentType: 'text/plain', size: 5, ifNoneMatch: '*' } as const

describeWithAzurite('two containers of one Azure account', () => {
  for (const scope of ['', 'media/acme/']) {
    describe(scope === '' ? 'bare' : 'scoped', () => {
      let from: Driver
      let to: Driver
      beforeAll(async () => {
        from = driverOn(await createContainer('copies'))
        to = driverOn(await createContainer('copies'))
        if (scope === '') return
        from = scopeDriver(from, scope)
        to = scopeDriver(to, scope)
      })
      for (const { name, run } of copyFromCases) it(name, () => run({ from, to, prefix: `${randomUUID()}/` }))
    })
  }

  it('give one of several create-only copies to a key the key', async () => {
    const from = driverOn(await createContainer('copies'))
    const target = await createContainer('copies')
    const bodies = ['one', 'two', 'six', 'ten']
    for (const body of bodies) await from.put(body, Buffer.from(body), { contentType: 'text/plain' })
    const to = driverOn(target)
    const racers = await Promise.allSettled(
      bodies.map(body => to.copyFrom(from.copySource(body)!, 'a.txt', { ...CREATE, size: 3 })),
    )
    expect(racers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const racer of racers)
      if (racer.status === 'rejected') expect(racer.reason).toMatchObject({ code: 'ERR_FILE_EXISTS' })
    expect(await listAllBlobs(target)).toHaveLength(1)
  })

  it('are no source to one another with a client whose SAS is for its container', async () => {
    const [one, two] = [await createContainer('copies'), await createContainer('copies')]
    const sas = (client: ContainerClient) =>
      client.generateSasUrl({
        expiresOn: new Date(Date.now() + 60_000),
        permissions: ContainerSASPermissions.parse('racwdl'),
      })
    const driverBySas = async (client: ContainerClient) =>
      new AzureDriver({ container: client.containerName, client: new ContainerClient(await sas(client)) })
    const [from, to] = [await driverBySas(one), await driverBySas(two)]
    await from.put('a.txt', Buffer.from('hello'), { contentType: 'text/plain' })
    expect(from.copySource('a.txt')).toBeUndefined()
    expect(await to.copyFrom(driverOn(one).copySource('a.txt')!, 'a.txt', CREATE)).toBeUndefined()
  })

  it('do not copy by themselves into an encryption scope', async () => {
    const [from, to] = [driverOn(await createContainer('copies')), driverOn(await createContainer('copies'))]
    await from.put('a.txt', Buffer.from('hello'), { contentType: 'text/plain' })
    const encryption = { algorithm: 'azure:scope', keyId: 'acme' } as const
    expect(await to.copyFrom(from.copySource('a.txt')!, 'a.txt', { ...CREATE, encryption })).toBeUndefined()
    await expect(to.head('a.txt')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })
})
