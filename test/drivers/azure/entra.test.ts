import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { ContainerClient } from '@azure/storage-blob'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { AzureDriver, type AzureTokenCredential } from '../../../src/drivers/azure/index.js'
import { azureService, describeWithAzurite } from '../../support/azure.js'
import { startAzurite } from '../../support/azurite.js'
import { type Keeper, startKeeper } from '../../support/keeper.js'
import type { AzureServer } from '../../support/provided.js'
import { selfSigned } from '../../support/self-signed.js'
import { tempDir } from '../../support/temp-dir.js'

const TEXT = { contentType: 'text/plain' }

/** Azurite reads tokens and believes them: it checks audience, issuer and life, and no signature. */
const credential: AzureTokenCredential = {
  getToken: async () => {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      aud: 'https://storage.azure.com',
      iss: 'https://sts.windows.net/22222222-2222-2222-2222-222222222222/',
      ...{ oid: randomUUID(), tid: randomUUID(), iat: now, nbf: now - 60, exp: now + 3_600 },
    }
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return {
      token: `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`,
      expiresOnTimestamp: Date.now() + 3_600_000,
    }
  },
}

describeWithAzurite('the Azure driver with a credential of Entra ID', () => {
  let keeper: Keeper
  let server: AzureServer
  let container: string
  let driver: AzureDriver

  beforeAll(async () => {
    // For the certificate that nobody signed. This file has a process of its own (vitest.config.ts).
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    const runDir = tempDir()
    keeper = startKeeper(runDir)
    server = await startAzurite({ runDir, keeper, https: makeCertificate(tempDir()) })
    container = `entra-${randomUUID()}`
    await azureService(server).createContainer(container)
    driver = new AzureDriver({ container, endpoint: server.endpoint, credential })
  })
  afterAll(async () => {
    await driver.close()
    await keeper.end()
  })

  const sign = (options: { expiresIn?: number; contentDisposition?: string } = {}) =>
    driver.signUrl?.('a b/c.txt', { method: 'GET', expiresIn: 600, at: Date.now(), ...options }) ?? ''
  const parameter = (url: string, name: string) => new URL(url).searchParams.get(name)

  it('signs nothing before ready', () => {
    expect(() => sign()).toThrow(expect.objectContaining({ code: 'ERR_NOT_READY' }))
  })

  it('stores, reads and copies', async () => {
    await driver.ready()
    await driver.put('a b/c.txt', Buffer.from('hello'), TEXT)
    await driver.copy('a b/c.txt', 'd.txt')
    expect(await text((await driver.get('d.txt')).body)).toBe('hello')
  })

  it('signs URLs by a user delegation key, which the server accepts', async () => {
    await driver.ready()
    const url = sign({ contentDisposition: 'attachment' })
    expect(parameter(url, 'skoid')).toMatch(/^[0-9a-f-]{36}$/)
    expect(parameter(url, 'spr')).toBe('https')
    const answer = await fetch(url)
    expect([answer.status, answer.headers.get('content-disposition'), await answer.text()]).toEqual([
      200,
      'attachment',
      'hello',
    ])
    expect((await fetch(url.replace('c.txt', 'd.txt'))).status).toBe(403)
    expect((await fetch(url.replace('rscd=attachment', 'rscd=inline'))).status).toBe(403)
  })

  it('signs no URL that outlives the key', async () => {
    await driver.ready()
    const url = sign({ expiresIn: 604_800 })
    expect(parameter(url, 'se')).toBe(parameter(url, 'ske'))
    expect((await fetch(url)).status).toBe(200)
  })

  it("signs by the credential of the application's own client", async () => {
    const client = new ContainerClient(`${server.endpoint}/${container}`, credential)
    const other = new AzureDriver({ container, client })
    await other.ready()
    const url = other.signUrl?.('d.txt', { method: 'GET', expiresIn: 60, at: Date.now() }) ?? ''
    expect(await (await fetch(url)).text()).toBe('hello')
    await other.close()
  })

  it('is ERR_BACKEND_DENIED when Entra ID refuses, and can be made ready later', async () => {
    let refuses = true
    const getToken: AzureTokenCredential['getToken'] = (...request) => {
      if (!refuses) return credential.getToken(...request)
      throw Object.assign(new Error('the secret expired'), { name: 'AuthenticationError' })
    }
    const other = new AzureDriver({ container, endpoint: server.endpoint, credential: { getToken } })
    await expect(other.ready()).rejects.toMatchObject({ code: 'ERR_BACKEND_DENIED', operation: 'ready' })
    refuses = false
    await other.ready()
    expect(other.signUrl?.('d.txt', { method: 'GET', expiresIn: 60, at: Date.now() })).toContain('skoid=')
    await other.close()
  })
})

function makeCertificate(folder: string): { cert: string; key: string } {
  const files = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') }
  const { certificate, key } = selfSigned()
  writeFileSync(files.cert, certificate)
  writeFileSync(files.key, key)
  return files
}
