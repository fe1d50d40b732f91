import { SHARED_TENANT } from '../../core/key.js'
import type { Storage } from '../../core/storage.js'
import { type Condition, type Examined, type Finding, failed, many, ok, warning } from './checks.js'
import { probeBackend } from './probe.js'

/** Whoever is signed for where no tenant is named. */
const ANYBODY = 'anybody'

/** What must be so of the backends. */
export const BACKEND_CONDITIONS: readonly Condition[] = [
  { check: 'environment', since: 1, examine: environment },
  { check: 'target', since: 1, examine: target },
  { check: 'sources', since: 1, examine: sources },
  { check: 'urls', since: 1, examine: urls },
  { check: 'write-to', since: 2, examine: writeTo },
]

/** No bucket of another environment is written to. */
async function environment({ storage, to }: Examined): Promise<Finding> {
  const own = storage.environment
  const owner = await storage.environmentOf(to)
  if (own === undefined && owner === undefined)
    return warning(
      'This storage has no environment, so a process of another one with these keys would write here too. Set STORAGE_ENVIRONMENT, or the option environment of createStorage().',
    )
  if (own === undefined)
    return failed(
      `"${to}" belongs to the environment "${owner}", and this storage names none. Set STORAGE_ENVIRONMENT.`,
    )
  if (owner === undefined)
    return ok(`"${own}"; "${to}" is marked with the first object that is written to it.`)
  return owner === own
    ? ok(`"${own}", and so "${to}" is marked.`)
    : failed(`"${to}" belongs to the environment "${owner}", and this storage to "${own}".`)
}

async function target({ storage, to, signal }: Examined): Promise<Finding> {
  const areas = await probeBackend(storage, to, signal)
  return ok(`Stored, read and deleted a probe on "${to}" below ${areas.join(', ')}.`)
}

/** Old bytes are read; where they are given up they are deleted too. */
async function sources({ storage, to, from, phase, signal }: Examined): Promise<Finding> {
  const names = from === undefined ? storage.backendNames.filter(name => name !== to) : [from]
  for (const name of names) {
    if (phase === 5) await probeBackend(storage, name, signal)
    else await storage.environmentOf(name)
  }
  if (names.length === 0) return failed(`"${to}" is the only backend: name the old one too.`)
  return ok(`${names.map(name => `"${name}"`).join(', ')} ${names.length === 1 ? 'answers' : 'answer'}.`)
}

async function urls({ storage, to, tenant }: Examined): Promise<Finding> {
  for (const name of storage.diskNames) await addressOn(storage, name, to, tenant ?? ANYBODY)
  return ok(`Addresses of all disks can be made for "${to}".`)
}

async function addressOn(storage: Storage, name: string, backend: string, anybody: string): Promise<void> {
  const disk = storage.disk(name)
  const { tenancy, visibility } = disk.options
  const tenant = { required: anybody, shared: SHARED_TENANT, none: null }[tenancy]
  const file = {
    disk: name,
    backend,
    tenant,
    key: 'tenant-files/probe.txt',
    type: 'text/plain',
    name: 'probe.txt',
  }
  if (visibility === 'public') disk.url(file)
  else await disk.signMany([file])
}

/** New files go to the target; for as long as they go elsewhere a move never ends. */
async function writeTo({ storage, to, tenant, places }: Examined): Promise<Finding> {
  const known = tenant === undefined ? (await places()).places.map(place => place.tenant) : [tenant]
  const tenants = known.length === 0 ? [ANYBODY] : [...new Set(known)]
  const elsewhere = tenants.filter(name => storage.writesTo(name) !== to)
  if (elsewhere.length === 0) return ok(`New files go to "${to}".`)
  const backends = [...new Set(elsewhere.map(name => `"${storage.writesTo(name)}"`))]
  const whose = elsewhere.length < tenants.length ? ` of ${many(elsewhere.length, 'tenant')}` : ''
  return failed(`New files${whose} go to ${backends.join(', ')} still. Set writeTo.`)
}
