import { createPrivateKey, sign } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { StubAccount } from './gcs-stub.js'
import { StubError } from './gcs-stub-store.js'
import { json, type StubAnswer } from './gcs-stub-uploads.js'

/*
 * A stub of two neighbours of Cloud Storage: `signBlob` of the IAM Service Account Credentials API, and the metadata
 * server of a machine. Written from Google's documentation and from what google-auth-library asks. IAM signs with the
 * account's only key, where Google has keys of its own that change; there are no delegates, quotas or pools.
 */

const SCOPES = ['https://www.googleapis.com/auth/iam', 'https://www.googleapis.com/auth/cloud-platform']

/** The role Service Account Token Creator: who may sign for whom. */
export interface StubTokenCreator {
  caller: string
  account: string
}

/** `POST /v1/projects/-/serviceAccounts/ACCOUNT:signBlob`, by an account that its token has proved. */
export function signBlob(
  caller: string,
  url: URL,
  bytes: Buffer,
  {
    accounts,
    tokenCreators,
  }: { accounts: readonly StubAccount[]; tokenCreators: readonly StubTokenCreator[] },
): StubAnswer {
  const [, email = ''] = /^\/v1\/projects\/-\/serviceAccounts\/([^/]+):signBlob$/.exec(url.pathname) ?? []
  const account = accounts.find(({ client_email }) => client_email === decodeURIComponent(email))
  const may = tokenCreators.some(role => role.caller === caller && role.account === account?.client_email)
  if (account === undefined || !may)
    throw new StubError(403, 'forbidden', "Permission 'iam.serviceAccounts.signBlob' denied on resource.")
  const { payload } = JSON.parse(bytes.toString()) as { payload?: unknown }
  if (typeof payload !== 'string') throw new StubError(400, 'badRequest', 'payload is missing.')
  const signature = sign('sha256', Buffer.from(payload, 'base64'), createPrivateKey(account.private_key))
  return json({ keyId: 'stub', signedBlob: signature.toString('base64') })
}

/** `GET /computeMetadata/v1/…` on a machine that has `account`, or none. */
export function metadata(req: IncomingMessage, url: URL, account: StubAccount | undefined): StubAnswer {
  const headers = { 'metadata-flavor': 'Google' }
  if (req.headers['metadata-flavor'] !== 'Google') return { status: 403, headers }
  const path = url.pathname.replace('/computeMetadata/v1/', '')
  if (path === 'project/project-id') return { status: 200, headers, body: 'acme' }
  if (account === undefined) return { status: 404, headers }
  if (path === 'instance/service-accounts/default/email')
    return { status: 200, headers, body: account.client_email }
  if (path !== 'instance/service-accounts/default/token') return { status: 404, headers }
  const answer = json({ access_token: accessToken(account), expires_in: 3600, token_type: 'Bearer' })
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

/** What the stub takes for a token: a JWT of the account itself. */
export function accessToken({ client_email, private_key }: StubAccount): string {
  const scope = [...SCOPES, 'https://www.googleapis.com/auth/devstorage.full_control'].join(' ')
  const claims = { iss: client_email, scope, exp: Math.floor(Date.now() / 1000) + 3600 }
  const text = [{ alg: 'RS256', typ: 'JWT' }, claims]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${sign('sha256', Buffer.from(text), createPrivateKey(private_key)).toString('base64url')}`
}
