import { Storage } from '@google-cloud/storage'
import type { GcsStub, StubAccount } from '../../support/gcs-stub.js'

/** The SDK's client for the stub. Its tokens are JWTs that it signs itself, so that nobody asks Google for one. */
export function stubClient(
  stub: GcsStub,
  by: StubAccount = stub.owner,
  apiEndpoint = stub.endpoint,
): Storage {
  const { client_email, private_key } = by
  const client = new Storage({
    apiEndpoint,
    useAuthWithCustomEndpoint: true,
    credentials: { client_email, private_key },
  })
  Object.assign(client.authClient, { useJWTAccessWithScope: true })
  return client
}
