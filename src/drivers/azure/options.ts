import {
  type AnonymousCredential,
  BlobServiceClient,
  ContainerClient,
  newPipeline,
  type RequestPolicyFactory,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import {
  assertPositive,
  type CallLimits,
  type CallOptions,
  resolveCallLimits,
} from '../../core/call-limits.js'
import { agentsWithin, type BackendAgents } from '../../core/connect-timeout.js'
import { StorageError } from '../../core/errors.js'
import { sharedUploadMemory, type UploadMemory } from '../../core/upload-memory.js'

/** What `@azure/identity` calls TokenCredential, for example `new DefaultAzureCredential()`. */
export type AzureTokenCredential = Exclude<
  ContainerClient['credential'],
  StorageSharedKeyCredential | AnonymousCredential
>

export interface AzureDriverOptions extends CallOptions {
  container: string
  /**
   * The application's own client of that container; account, endpoint and credentials are then its business. URLs
   * are signed with its account key or its token credential; one with neither leaves `signUrl` out.
   */
  client?: ContainerClient
  accountName?: string
  /** One of the account's two keys, in base64. */
  accountKey?: string
  /** Default `https://<accountName>.blob.core.windows.net`. Azurite's has the account in its path. */
  endpoint?: string
  /** Entra ID instead of an account key: a managed identity, a service principal. */
  credential?: AzureTokenCredential
  /** Bytes in one block of a large upload, and the largest body that is sent in one request. Default 8 MiB. */
  blockSize?: number
  /** Blocks of one upload on their way at the same time. Default 3. */
  blocksInFlight?: number
  /** The memory for blocks on their way. Default: one budget of 160 MiB for all drivers of the process. */
  memory?: UploadMemory
}

/** The numbers, with every default filled in. */
export interface AzureLimits extends CallLimits {
  readonly blockSize: number
  readonly blocksInFlight: number
  readonly memory: UploadMemory
}

/** How the container is reached, and what URLs are signed with. */
export interface Connection {
  readonly client: ContainerClient
  /** Undefined where there is nothing to sign with. */
  readonly signWith: StorageSharedKeyCredential | BlobServiceClient | undefined
  /** The sockets of a client of our own. */
  readonly agents?: BackendAgents
}

const MIB = 1024 * 1024

/** "Scalability and performance targets for Blob storage": 4,000 MiB in a block, 50,000 blocks in a blob. */
export const MAX_BLOCK_SIZE = 4_000 * MIB
export const MAX_BLOCKS = 50_000

const CLIENT_OPTIONS = ['accountName', 'accountKey', 'endpoint', 'credential'] as const

/** @throws ERR_CONFIG */
export function resolveLimits(options: AzureDriverOptions): AzureLimits {
  const limits = {
    blockSize: options.blockSize ?? 8 * MIB,
    blocksInFlight: options.blocksInFlight ?? 3,
  }
  assertPositive(limits)
  if (limits.blockSize > MAX_BLOCK_SIZE) throw config('blockSize must be at most 4,000 MiB.')
  return { ...limits, ...resolveCallLimits(options), memory: options.memory ?? sharedUploadMemory }
}

/** @throws ERR_CONFIG */
export function connect(options: AzureDriverOptions, limits: AzureLimits): Connection {
  if (typeof options.container !== 'string' || options.container === '')
    throw config('Set the name of the container.')
  return options.client === undefined ? connectOwn(options, limits) : connectThrough(options.client, options)
}

function connectThrough(client: ContainerClient, options: AzureDriverOptions): Connection {
  const doubled = CLIENT_OPTIONS.filter(name => options[name] !== undefined)
  if (doubled.length > 0)
    throw config(`Set ${doubled.join(', ')} on the ContainerClient, or leave the client out.`)
  if (client.containerName !== options.container)
    throw config(`The client is one of the container "${client.containerName}", not "${options.container}".`)
  const { credential } = client
  if (credential instanceof StorageSharedKeyCredential) return { client, signWith: credential }
  if (!isTokenCredential(credential)) return { client, signWith: undefined }
  return { client, signWith: new BlobServiceClient(accountUrl(client), newPipeline(credential, ONE_TRY)) }
}

function connectOwn(options: AzureDriverOptions, limits: AzureLimits): Connection {
  const credential = credentialOf(options)
  const url = endpointOf(options)
  // The tries are AzureCalls' own: the SDK's have no time-out each, and wait 4 seconds before the third.
  const pipeline = newPipeline(credential, ONE_TRY)
  const agents = agentsWithin(limits.connectTimeout)
  pipeline.factories.unshift(throughAgents(agents))
  const client = new ContainerClient(`${url}/${encodeURIComponent(options.container)}`, pipeline)
  const byKey = credential instanceof StorageSharedKeyCredential
  return { client, agents, signWith: byKey ? credential : new BlobServiceClient(url, pipeline) }
}

/** A policy that gives each request an agent of ours, unless the SDK goes through a proxy with one of its own. */
function throughAgents({ plain, secure }: BackendAgents): RequestPolicyFactory {
  return {
    create: next => ({
      sendRequest(request) {
        request.agent ??= new URL(request.url).protocol === 'https:' ? secure : plain
        return next.sendRequest(request)
      },
    }),
  }
}

const ONE_TRY = { retryOptions: { maxTries: 1 } }

function credentialOf(options: AzureDriverOptions): StorageSharedKeyCredential | AzureTokenCredential {
  const { accountName, accountKey, credential } = options
  if ((accountKey === undefined) === (credential === undefined))
    throw config('Set either the accountKey or a credential, or give a client.')
  if (credential !== undefined) return credential
  if (accountName === undefined || accountName === '')
    throw config('Set the accountName beside the accountKey.')
  if (accountKey === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(accountKey))
    throw config('The accountKey is not one: it must be base64, as the portal shows it.')
  return new StorageSharedKeyCredential(accountName, accountKey)
}

function endpointOf({ endpoint, accountName }: AzureDriverOptions): string {
  if (endpoint === undefined) {
    // "Storage account name", Azure documentation: 3 to 24 lower-case letters and digits.
    if (accountName !== undefined && /^[a-z0-9]{3,24}$/.test(accountName))
      return `https://${accountName}.blob.core.windows.net`
    throw config(
      'The accountName must be 3 to 24 lower-case letters and digits, unless there is an endpoint.',
    )
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if ((url?.protocol === 'https:' || url?.protocol === 'http:') && url.search === '' && url.hash === '')
    return endpoint.replace(/\/+$/, '')
  // The endpoint itself stays out of the message: with a query it may hold a SAS.
  throw config(
    'The endpoint must be a URL without a query, for example "https://acme.blob.core.windows.net". For a SAS, give a client.',
  )
}

function isTokenCredential(credential: ContainerClient['credential']): credential is AzureTokenCredential {
  return 'getToken' in credential && typeof credential.getToken === 'function'
}

/** The client's URL without its container, which is the last segment. */
export function accountUrl(client: ContainerClient): string {
  const url = new URL(client.url)
  return url.origin + url.pathname.slice(0, url.pathname.lastIndexOf('/'))
}

function config(message: string): StorageError {
  return new StorageError('ERR_CONFIG', message)
}
