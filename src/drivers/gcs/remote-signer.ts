import { abortError, throwIfAborted, untilAborted } from '../../core/abort.js'
import type { OperationOptions, SignUrlOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { encodeUri } from '../../core/uri.js'
import type { GcsCalls } from './gcs-calls.js'
import { failureOf } from './gcs-errors.js'
import { HeldSignatures } from './held-signatures.js'
import type { GcsDriverOptions } from './options.js'
import { failureOfClient, findAccount, isImpersonator } from './signing-account.js'
import { UrlWriter } from './unsigned-url.js'

const CALL = { operation: 'signUrl' }

/**
 * Signs URLs of one bucket by asking IAM: for credentials that hold no key. `signBlob` of the IAM Service Account
 * Credentials API signs with a key that Google keeps; RSA PKCS #1 v1.5 gives one text one signature, so the URLs of a
 * window are identical as long as Google keeps that key.
 */
export class RemoteSigner {
  readonly #calls: GcsCalls
  readonly #options: Pick<GcsDriverOptions, 'signingAccount' | 'iamEndpoint'>
  readonly #held = new HeldSignatures()
  #account: Promise<string> | undefined

  constructor(calls: GcsCalls, options: Pick<GcsDriverOptions, 'signingAccount' | 'iamEndpoint'>) {
    this.#calls = calls
    this.#options = options
  }

  /**
   * The signed URL of `key`; the key is not checked here.
   *
   * @throws ERR_BACKEND_DENIED without the permission `iam.serviceAccounts.signBlob`, ERR_UNSUPPORTED without an account
   */
  async sign(key: string, { signal, ...request }: SignUrlOptions & OperationOptions): Promise<string> {
    throwIfAborted(signal)
    const signed = this.#sign(key, request)
    if (signal === undefined) return signed
    try {
      // The work is shared: who gives up ends no more than the own wait.
      return await untilAborted(signed, signal)
    } catch (error) {
      throw signal.aborted ? abortError(signal, CALL) : error
    }
  }

  async #sign(key: string, request: SignUrlOptions): Promise<string> {
    const account = await this.#findAccount()
    const { client, bucket } = this.#calls
    const by = { algorithm: 'GOOG4-RSA-SHA256', signer: account } as const
    const { text, url } = new UrlWriter(client.apiEndpoint, bucket, by).write(key, request)
    return url + (await this.#held.get(text, () => this.#ask(text, account)))
  }

  #findAccount(): Promise<string> {
    this.#account ??= this.#lookForAccount().catch((error: unknown) => {
      this.#account = undefined
      throw error
    })
    return this.#account
  }

  async #lookForAccount(): Promise<string> {
    const { signingAccount } = this.#options
    return signingAccount ?? this.#calls.run(CALL, () => findAccount(this.#calls.client.authClient))
  }

  /** The signature in hex. */
  async #ask(text: string, account: string): Promise<string> {
    try {
      const signature = (await this.#byImpersonation(text)) ?? (await this.#signBlob(text, account))
      return Buffer.from(signature, 'base64').toString('hex')
    } catch (error) {
      throw toSigningError(error, account)
    }
  }

  /** The library asks with the credentials behind the impersonated ones: those are who may sign. */
  async #byImpersonation(text: string): Promise<string | undefined> {
    if (this.#options.signingAccount !== undefined) return undefined
    return this.#calls.run(CALL, async () => {
      const client = await this.#calls.client.authClient.getClient()
      if (!isImpersonator(client)) return undefined
      try {
        return (await client.sign(text)).signedBlob
      } catch (error) {
        throw failureOfClient(error)
      }
    })
  }

  /** "Method: projects.serviceAccounts.signBlob", IAM Service Account Credentials API. */
  async #signBlob(text: string, account: string): Promise<string> {
    const endpoint =
      this.#options.iamEndpoint ??
      `https://iamcredentials.${await this.#calls.client.authClient.getUniverseDomain()}`
    const { signedBlob } = await this.#calls.json<{ signedBlob: string }>(CALL, {
      method: 'POST',
      url: `${endpoint}/v1/projects/-/serviceAccounts/${encodeUri(account)}:signBlob`,
      headers: { 'Content-Type': 'application/json; charset=UTF-8' },
      body: [Buffer.from(JSON.stringify({ payload: Buffer.from(text).toString('base64') }))],
    })
    return signedBlob
  }
}

/** IAM answers 403 to an account that is not there as well, or 404. */
function toSigningError(error: unknown, account: string): unknown {
  const status = failureOf(error)?.status
  if (status !== 403 && status !== 404) return error
  return new StorageError(
    'ERR_BACKEND_DENIED',
    `Google's IAM does not sign for "${account}": give the credentials the role Service Account Token Creator (iam.serviceAccounts.signBlob) on that account, its own credentials too, and enable the IAM Service Account Credentials API.`,
    { operation: 'signUrl', cause: failureOf(error) },
  )
}
