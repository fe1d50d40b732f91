import type { CdnOptions, CdnSigner } from '../core/cdn.js'
import type { DiskOptions } from '../core/disk-options.js'
import { DEFAULT_DISKS } from '../core/storage-options.js'
import type { Variables } from './variables.js'
import { withPeer } from './with-peer.js'

/** A CDN for public disks, and one for private disks; a disk that says something of its own CDN keeps it. */
interface EnvCdn {
  readonly public: CdnOptions
  readonly private?: CdnOptions
}

/** The disks, with the CDN that the environment names in front of them. */
export function disksWithCdn(
  variables: Variables,
  disks: Readonly<Record<string, DiskOptions>> = DEFAULT_DISKS,
): Readonly<Record<string, DiskOptions>> {
  const cdn = cdnOf(variables)
  if (cdn === undefined) return disks
  return Object.fromEntries(
    Object.entries(disks).map(([name, disk]) => [
      name,
      disk.serve === 'proxy' ? disk : { cdn: cdn[disk.visibility], ...disk },
    ]),
  )
}

function cdnOf(variables: Variables): EnvCdn | undefined {
  const { STORAGE_BACKEND, AWS_S3_CUSTOM_DOMAIN, DO_SPACES_CDN_ENDPOINT, AZURE_CUSTOM_DOMAIN } = variables
  if (STORAGE_BACKEND === 's3' && AWS_S3_CUSTOM_DOMAIN !== undefined)
    return cloudFront(variables, AWS_S3_CUSTOM_DOMAIN)
  // The driver itself gives its addresses the CDN's host.
  if (STORAGE_BACKEND === 'do_spaces' && DO_SPACES_CDN_ENDPOINT !== undefined)
    return { public: { mode: 'public', backend: 'spaces' } }
  // A SAS names the account and not the host, so any host that leads to the account will do.
  if (STORAGE_BACKEND === 'azure' && AZURE_CUSTOM_DOMAIN !== undefined)
    return {
      public: { mode: 'public', backend: 'azure', host: AZURE_CUSTOM_DOMAIN },
      private: { mode: 'origin-signed', backend: 'azure', host: AZURE_CUSTOM_DOMAIN },
    }
  return undefined
}

/** Without a key for CloudFront private files stay with the bucket's own signed URLs. */
function cloudFront(variables: Variables, host: string): EnvCdn {
  const { CLOUDFRONT_KEY_PAIR_ID: keyPairId, CLOUDFRONT_PRIVATE_KEY: privateKey } = variables
  const open: EnvCdn = { public: { mode: 'public', backend: 's3', host } }
  if (keyPairId === undefined || privateKey === undefined) return open
  const signer = () => loadSigner(keyPairId, privateKey)
  return { ...open, private: { mode: 'cloudfront', backend: 's3', host, signer } }
}

async function loadSigner(keyPairId: string, privateKey: string): Promise<CdnSigner> {
  const { CloudFrontSigner } = await withPeer(
    '@aws-sdk/cloudfront-signer',
    () => import('../drivers/cloudfront/index.js'),
  )
  return new CloudFrontSigner({ keyPairId, privateKey })
}
