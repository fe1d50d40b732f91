import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { StorageError } from '../../core/errors.js'
import { type BucketAddress, resolveBucketAddress } from './bucket-address.js'

/** Where the bucket is: as the client says, until the server knows better. */
export class BucketHome {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #ownership: 'own' | 'shared'
  #address: BucketAddress | undefined
  #moves = 0

  constructor(client: S3Client, bucket: string, ownership: 'own' | 'shared') {
    this.#client = client
    this.#bucket = bucket
    this.#ownership = ownership
  }

  /** @throws ERR_NOT_READY before {@link find} */
  get address(): BucketAddress {
    if (this.#address !== undefined) return this.#address
    throw new StorageError('ERR_NOT_READY', 'Await ready() before URLs are made.')
  }

  /** Another number after every move. */
  get version(): number {
    return this.#moves
  }

  /** @throws ERR_CONFIG where the client can build no request for the bucket */
  async find(): Promise<void> {
    this.#address = await resolveBucketAddress(this.#client, this.#bucket)
  }

  /**
   * Believes the server that the bucket lies in another region. The rules of the client's endpoints make the address
   * there, and no other part of the answer does: a body must not be lured to any host. Our own client moves along;
   * that of the application stays as it is.
   */
  async moveTo(region: string): Promise<void> {
    const here = this.#address?.region ?? (await this.#client.config.region())
    if (here === region) return
    if (this.#ownership === 'own') this.#client.config.region = async () => region
    const client =
      this.#ownership === 'own'
        ? this.#client
        : new S3Client({ ...this.#client.config, region } as unknown as S3ClientConfig)
    this.#address = await resolveBucketAddress(client, this.#bucket)
    this.#moves++
  }
}
