import {
  BlobSASPermissions,
  type BlobSASSignatureValues,
  type ContainerClient,
  generateBlobSASQueryParameters,
  SASProtocol,
  type StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob'
import type { SignUrlOptions } from '../../core/driver.js'

/** What a URL is signed with: one of the account's keys, or a key that Entra ID lent for a while. */
export type SigningKey = { account: StorageSharedKeyCredential } | { delegated: UserDelegationKey }

/** "Create a service SAS", Azure REST API, table of permissions; PUT both makes and replaces. */
const PERMISSIONS = { GET: 'r', HEAD: 'r', PUT: 'cw', DELETE: 'd' } as const

/**
 * A SAS that begins this moment is refused by a server whose clock is late: "set it to be at least 15 minutes in the
 * past" ("Best practices when using SAS", Azure Storage documentation).
 */
const CLOCK_SKEW = 15 * 60_000

/**
 * The format of the signature. Azure takes every version since 2012; the SDK's default changes with the SDK, and all
 * URLs with it. Azurite 3.35 signs user delegation URLs of 2026-04-06, this SDK's default, in another way.
 */
export const SAS_VERSION = '2022-11-02'

/** Makes the URLs of one container, by the SDK's own signature. Nothing here waits. */
export class SasSigner {
  readonly #containerUrl: string
  readonly #containerName: string
  readonly #accountName: string
  readonly #protocol: SASProtocol | undefined

  constructor(client: ContainerClient) {
    const { origin, pathname, protocol } = new URL(client.url)
    this.#containerUrl = origin + pathname
    this.#containerName = client.containerName
    this.#accountName = client.accountName
    // Only an emulator speaks plain HTTP.
    this.#protocol = protocol === 'https:' ? SASProtocol.Https : undefined
  }

  /** The signed URL of `key`; key and life are not checked here, except that no URL outlives its key. */
  sign(key: string, request: SignUrlOptions, by: SigningKey): string {
    const values = this.#values(key, request)
    const sas =
      'account' in by
        ? generateBlobSASQueryParameters(values, by.account)
        : generateBlobSASQueryParameters(within(values, by.delegated), by.delegated, this.#accountName)
    const path = key.split('/').map(encodeURIComponent).join('/')
    // The one character that ends an attribute in HTML and that encodeURIComponent leaves as it is.
    return `${this.#containerUrl}/${path}?${sas}`.replaceAll("'", '%27')
  }

  #values(key: string, { method, at, expiresIn, ...headers }: SignUrlOptions): Times {
    const { contentDisposition, contentType, cacheControl } = headers
    const answers = method === 'GET' || method === 'HEAD'
    return {
      version: SAS_VERSION,
      containerName: this.#containerName,
      blobName: key,
      permissions: BlobSASPermissions.parse(PERMISSIONS[method]),
      startsOn: new Date(at - CLOCK_SKEW),
      expiresOn: new Date(at + expiresIn * 1000),
      ...(this.#protocol === undefined ? {} : { protocol: this.#protocol }),
      ...(answers ? { contentDisposition, contentType, cacheControl } : {}),
    }
  }
}

type Times = BlobSASSignatureValues & { startsOn: Date; expiresOn: Date }

/** Azure refuses a SAS that begins before its user delegation key does, or ends after it. */
function within(values: Times, { signedStartsOn, signedExpiresOn }: UserDelegationKey): Times {
  return {
    ...values,
    startsOn: values.startsOn < signedStartsOn ? signedStartsOn : values.startsOn,
    expiresOn: values.expiresOn > signedExpiresOn ? signedExpiresOn : values.expiresOn,
  }
}
