import type { Storage } from '@google-cloud/storage'
import { StorageError } from '../../core/errors.js'
import { GcsFailure, toFailure } from './gcs-errors.js'

/** An account that signs for another one, and says so: `Impersonated` of google-auth-library. */
export interface Impersonator {
  getTargetPrincipal(): string
  sign(text: string): Promise<{ signedBlob: string }>
}

export function isImpersonator(client: object): client is Impersonator {
  return 'getTargetPrincipal' in client && 'sign' in client
}

/**
 * The e-mail of the account that the credentials stand for: impersonated, or that of this machine by its metadata server.
 *
 * @throws ERR_UNSUPPORTED where there is none
 */
export async function findAccount(auth: Storage['authClient']): Promise<string> {
  const email = await emailOf(auth)
  // Workload identity on GKE without a linked account answers with the name of its pool.
  if (email?.includes('@')) return email
  throw new StorageError(
    'ERR_UNSUPPORTED',
    'These Google credentials name no service account that could sign URLs: set signingAccount to the e-mail of one, link one to the workload identity, or use the addresses of serveFiles (file.url).',
    { operation: 'signUrl' },
  )
}

async function emailOf(auth: Storage['authClient']): Promise<string | undefined> {
  try {
    return (await auth.getCredentials()).client_email
  } catch (error) {
    const failure = failureOfClient(error)
    // google-auth-library's words where credentials have no account; 404 is a machine without one.
    if (failure.status === 404 || /unable to find credentials/i.test(failure.message)) return undefined
    throw failure
  }
}

/** What a request of google-auth-library threw. The library's own error holds the request and its token. */
export function failureOfClient(error: unknown): GcsFailure {
  const failure = toFailure(error)
  const { status } = error as { status?: unknown }
  return typeof status === 'number' ? new GcsFailure(failure.message, { status }) : failure
}
