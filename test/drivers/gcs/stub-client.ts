import { Storage } from '@google-cloud/storage'
import type { GcsStub, StubAccount } from '../../support/gcs-stub.js'

/** The SDK's client for the stub. Its tokens are JWTs that it signs itself, so that nobody asks Google for one. */
export function stubClient({ endpoint, owner }: GcsStub, by: StubAccount = owner): Storage {
  const { client_email, private_key } = by
  const client = new Storage({
    apiEndpoint: endpoint,
    useAuthWithCustomEndpoint: true,
    credentials: { client_email, private_key },
  })
  Object.assign(client.authClient, { useJWTAccessWithScope: true })
  return client
}
