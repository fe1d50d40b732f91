import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { curl } from '../support/curl.js'
import { createBucket, describeWithS3, listAllKeys, s3Connection } from '../support/s3.js'
import { root } from '../tooling/tools.js'

/** What an application does, in a process of its own: nothing of this one's environment leaks in. */
const APPLICATION = `
import { runWithTenant } from 'tenant-files'
import { storageFromEnv } from 'tenant-files/env'

const storage = storageFromEnv({ urls: { expiresIn: 86_400 } })
await storage.ready()
const url = await runWithTenant('acme', async () => {
  const disk = storage.disk('media')
  return disk.url(await disk.put('orders/a.txt', Buffer.from('by a role'), { contentType: 'text/plain' }))
})
await storage.close()
console.log(JSON.stringify({ url }))
`

describeWithS3('storageFromEnv without keys', () => {
  /** Stands where a container of ECS, or a pod of EKS, asks for the credentials of its role. */
  let role: Server
  let bucket: string
  let expiresAt = 0

  beforeAll(async () => {
    bucket = await createBucket('role')
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = s3Connection()
    role = createServer((_req, res) => {
      expiresAt = Date.now() + 1_800_000
      const Expiration = new Date(expiresAt).toISOString()
      res.setHeader('content-type', 'application/json')
      // The SDK wants a token; the keys of Ceph's users have none.
      res.end(JSON.stringify({ AccessKeyId, SecretAccessKey, Token: '', Expiration }))
    })
    await new Promise<void>(resolve => role.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    role?.closeAllConnections()
    role?.close()
  })

  const environment = () => ({
    PATH: process.env.PATH,
    HOME: '/nowhere', // no profile of whoever runs the tests
    STORAGE_BACKEND: 's3',
    STORAGE_URL_SECRET: 'a secret of more than sixteen characters',
    AWS_STORAGE_BUCKET_NAME: bucket,
    AWS_S3_ENDPOINT_URL: s3Connection().endpoint,
    AWS_EC2_METADATA_DISABLED: 'true',
  })
  const run = async (env: NodeJS.ProcessEnv) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', APPLICATION], {
      ...{ cwd: root, env, timeout: 30_000 },
    })

  it("uploads and signs by the role that the SDK's provider chain finds, for no longer than it lasts", async () => {
    const { port } = role.address() as AddressInfo
    const AWS_CONTAINER_CREDENTIALS_FULL_URI = `http://127.0.0.1:${port}/role`
    const { stdout } = await run({ ...environment(), AWS_CONTAINER_CREDENTIALS_FULL_URI })
    const { url } = JSON.parse(stdout) as { url: string }
    expect(await listAllKeys(bucket)).toEqual(['media/acme/orders/a.txt'])
    const query = new URL(url).searchParams
    const [, year, month, day, hour, minute, second] =
      /^(....)(..)(..)T(..)(..)(..)Z$/.exec(query.get('X-Amz-Date') ?? '') ?? []
    const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
    const ends = signedAt + Number(query.get('X-Amz-Expires')) * 1000
    expect(ends).toBeLessThanOrEqual(expiresAt)
    expect(ends).toBeGreaterThan(expiresAt - 60_000)
    expect((await curl(url)).body.toString()).toBe('by a role')
  })

  it('says that there are no credentials where the chain finds none', async () => {
    const failed = await run(environment()).catch((error: unknown) => error)
    expect(failed).toMatchObject({ stderr: expect.stringContaining('ERR_BACKEND_DENIED') })
  })
})
