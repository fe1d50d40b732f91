import type { BackendSource } from '../core/backends.js'
import type { Driver } from '../core/driver.js'
import type { Variables } from './variables.js'
import { withPeer } from './with-peer.js'

const DEFAULT_ROOT = 'var/files'

/** The backends that the environment describes, and the name of the one that new files go to. */
export interface EnvBackends {
  readonly backends: Readonly<Record<string, BackendSource>>
  readonly writeTo: string
}

/**
 * Loads no driver before it is needed, and only that one. With MEDIA_ROOT the local disk stays readable beside a
 * cloud backend, so that a deployment can switch first and move its files after.
 */
export function backendsOf(variables: Variables): EnvBackends {
  const local = async () => {
    const { LocalDriver } = await import('../drivers/local/index.js')
    return new LocalDriver({ root: variables.MEDIA_ROOT ?? DEFAULT_ROOT })
  }
  const kept: Record<string, BackendSource> = variables.MEDIA_ROOT === undefined ? {} : { local }
  switch (variables.STORAGE_BACKEND) {
    case 'local':
      return { backends: { local }, writeTo: 'local' }
    case 's3':
      return { backends: { ...kept, s3: () => loadS3(variables) }, writeTo: 's3' }
    case 'do_spaces':
      return { backends: { ...kept, spaces: () => loadSpaces(variables) }, writeTo: 'spaces' }
    case 'azure':
      return { backends: { ...kept, azure: () => loadAzure(variables) }, writeTo: 'azure' }
    case 'gcs':
      return { backends: { ...kept, gcs: () => loadGcs(variables) }, writeTo: 'gcs' }
  }
}

async function loadS3(variables: Variables): Promise<Driver> {
  const { S3Driver } = await withPeer('@aws-sdk/client-s3', () => import('../drivers/s3/index.js'))
  return new S3Driver({ ...s3Options(variables), region: variables.AWS_S3_REGION_NAME ?? 'us-east-1' })
}

async function loadSpaces(variables: Variables): Promise<Driver> {
  const { SpacesDriver } = await withPeer('@aws-sdk/client-s3', () => import('../drivers/spaces/index.js'))
  const { DO_SPACES_REGION: region, DO_SPACES_CDN_ENDPOINT: cdnEndpoint } = variables
  return new SpacesDriver({ ...s3Options(variables), region, cdnEndpoint })
}

function s3Options(variables: Variables) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = variables
  return {
    bucket: variables.AWS_STORAGE_BUCKET_NAME ?? '',
    endpoint: variables.AWS_S3_ENDPOINT_URL,
    addressingStyle: variables.AWS_S3_ADDRESSING_STYLE,
    // Without keys the SDK's provider chain finds a role.
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey, sessionToken: variables.AWS_SESSION_TOKEN },
  }
}

async function loadAzure(variables: Variables): Promise<Driver> {
  const { AzureDriver } = await withPeer('@azure/storage-blob', () => import('../drivers/azure/index.js'))
  return new AzureDriver({
    container: variables.AZURE_CONTAINER ?? '',
    accountName: variables.AZURE_ACCOUNT_NAME,
    accountKey: variables.AZURE_ACCOUNT_KEY,
    endpoint: variables.AZURE_ENDPOINT_URL,
  })
}

async function loadGcs(variables: Variables): Promise<Driver> {
  const { GcsDriver } = await withPeer('@google-cloud/storage', () => import('../drivers/gcs/index.js'))
  const { GS_HMAC_ACCESS_KEY_ID: accessId, GS_HMAC_SECRET: secret } = variables
  return new GcsDriver({
    bucket: variables.GS_BUCKET_NAME ?? '',
    projectId: variables.GS_PROJECT_ID,
    endpoint: variables.GS_ENDPOINT_URL,
    keyFile: variables.GOOGLE_APPLICATION_CREDENTIALS,
    hmac: accessId === undefined || secret === undefined ? undefined : { accessId, secret },
  })
}
