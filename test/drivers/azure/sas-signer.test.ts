import {
  BlobSASPermissions,
  ContainerClient,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { describe, expect, it } from 'vitest'
import type { SignUrlOptions } from '../../../src/core/driver.js'
import { AzureDriver } from '../../../src/drivers/azure/index.js'
import { SAS_VERSION } from '../../../src/drivers/azure/sas-signer.js'
import { PORTABLE_KEYS } from '../../../src/testing/driver-cases-keys.js'

const accountKey = Buffer.from('a key').toString('base64')
const shared = new StorageSharedKeyCredential('acme', accountKey)
const sdk = new ContainerClient('https://acme.blob.core.windows.net/files', shared)
const driver = new AzureDriver({ container: 'files', accountName: 'acme', accountKey })
const AT = Date.UTC(2026, 10, 23, 8, 0, 0)
const HEADERS = {
  contentDisposition: `attachment; filename="a (1).pdf"; filename*=UTF-8''%C3%A9%2B.pdf`,
  contentType: 'application/pdf',
  cacheControl: 'private, max-age=60',
}

function sign(key: string, options: Partial<SignUrlOptions> = {}): string {
  return driver.signUrl?.(key, { method: 'GET', expiresIn: 3600, at: AT, ...options }) ?? ''
}

const parameter = (url: string, name: string) => new URL(url).searchParams.get(name)

describe('signing by account key', () => {
  it.each([
    { method: 'GET', sp: 'r' },
    { method: 'HEAD', sp: 'r' },
    { method: 'PUT', sp: 'cw' },
    { method: 'DELETE', sp: 'd' },
  ] as const)("gives the SDK's URL for $method, also for odd keys", ({ method, sp }) => {
    for (const blobName of PORTABLE_KEYS.filter(key => !/\.(\/|$)/.test(key))) {
      const sas = generateBlobSASQueryParameters(
        {
          version: SAS_VERSION,
          containerName: 'files',
          blobName,
          permissions: BlobSASPermissions.parse(sp),
          startsOn: new Date(AT - 900_000),
          expiresOn: new Date(AT + 3_600_000),
          protocol: SASProtocol.Https,
          ...(sp === 'r' ? HEADERS : {}),
        },
        shared,
      )
      const url = sign(blobName, { method, ...HEADERS })
      expect(url).toBe(`${sdk.getBlobClient(blobName).url}?${sas}`.replaceAll("'", '%27'))
      expect(parameter(url, 'sp')).toBe(sp)
    }
  })

  it('allows https alone, and begins a quarter of an hour early for clocks that differ', () => {
    const url = sign('a.txt')
    expect(parameter(url, 'spr')).toBe('https')
    expect(parameter(url, 'st')).toBe('2026-11-23T07:45:00Z')
    expect(parameter(url, 'se')).toBe('2026-11-23T09:00:00Z')
    expect(parameter(url, 'sr')).toBe('b')
  })

  it('leaves the protocol open for an emulator', () => {
    const endpoint = 'http://127.0.0.1:10000/acme'
    const local = new AzureDriver({ container: 'files', accountName: 'acme', accountKey, endpoint })
    const url = local.signUrl?.('a/b c.txt', { method: 'GET', expiresIn: 60, at: AT }) ?? ''
    expect(url.startsWith(`${endpoint}/files/a/b%20c.txt?`), url).toBe(true)
    expect(parameter(url, 'spr')).toBe(null)
  })

  it('needs no ready, since nothing has to be loaded', () => {
    expect(sign('a.txt')).toContain('sig=')
  })

  it.each([0, -1, 1.5, 604_801, Number.NaN])('refuses a life of %s seconds', expiresIn => {
    expect(() => sign('a.txt', { expiresIn })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})
