import type { SignUrlOptions } from '../../core/driver.js'
import type { SigningKey } from './signing-key.js'
import { UrlWriter } from './unsigned-url.js'

/** Signs URLs of one bucket with a key that is at hand, so without waiting. */
export class UrlSigner {
  readonly #key: SigningKey
  readonly #urls: UrlWriter

  /** @param endpoint where the XML API is: the SDK's `apiEndpoint` */
  constructor(endpoint: string, bucket: string, key: SigningKey) {
    this.#key = key
    this.#urls = new UrlWriter(endpoint, bucket, key)
  }

  /** The signed URL of `key`; the key is not checked here. */
  sign(key: string, request: SignUrlOptions): string {
    const { text, day, url } = this.#urls.write(key, request)
    return url + this.#key.sign(text, day)
  }
}
