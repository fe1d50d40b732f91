import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { StorageError } from '../../core/errors.js'

/** Where one bucket is reached, and what its signatures are bound to. */
export interface BucketAddress {
  /** `https://host[:port]`, without a slash at the end. */
  readonly origin: string
  /** The Host header. */
  readonly host: string
  /** The path in front of every encoded key, with a slash at both ends. */
  readonly pathPrefix: string
  readonly region: string
  readonly service: string
  /** The kind of signature that the endpoint asks for, normally `sigv4`. */
  readonly authScheme: string
}

const PROBE_KEY = 'k'

/** The parts of the SDK's HttpRequest that matter here; its class is not exported by client-s3. */
interface BuiltRequest {
  protocol: string
  hostname: string
  port?: number
  path: string
  headers: Record<string, string>
}

/**
 * Asks the client itself: a GetObject is built and caught before it is signed or sent. So endpoint rules,
 * addressing style, FIPS, acceleration and the application's own middleware all count, and none of them is
 * written down here a second time.
 *
 * @throws ERR_CONFIG where the client can build no request for this bucket
 */
export async function resolveBucketAddress(client: S3Client, bucket: string): Promise<BucketAddress> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: PROBE_KEY })
  let address: BucketAddress | undefined
  command.middlewareStack.add(
    (_next, context) => async args => {
      const scheme = context.endpointV2?.properties?.authSchemes?.[0]
      address = toAddress(args.request as BuiltRequest, {
        region: scheme?.signingRegion ?? (await client.config.region()),
        service: scheme?.signingName ?? 's3',
        authScheme: scheme?.name ?? 'sigv4',
      })
      return { response: {}, output: { $metadata: {} } }
    },
    { step: 'build', priority: 'low', name: 'tenantFilesAddressProbe' },
  )
  await client.send(command)
  if (address !== undefined) return address
  throw new StorageError('ERR_CONFIG', 'The S3 client did not build a request. Is its middleware complete?')
}

function toAddress(
  request: BuiltRequest,
  signing: Pick<BucketAddress, 'region' | 'service' | 'authScheme'>,
): BucketAddress {
  const { protocol, hostname, port, path } = request
  const host = port === undefined ? hostname : `${hostname}:${port}`
  return { origin: `${protocol}//${host}`, host, pathPrefix: path.slice(0, -PROBE_KEY.length), ...signing }
}
