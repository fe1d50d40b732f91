import { checkDoors } from './doors.js'
import { Inspection } from './inspection.js'
import type { TenantIsolationOptions } from './options.js'
import { checkSignedAddress } from './signed-address.js'
import { openSite } from './site.js'
import { checkEdit, checkUploads } from './uploads.js'

/**
 * Proves on your own application that no tenant reaches the files of another one. It uploads as the owner, and then
 * tries every door as the other tenant, as nobody, and under ids that are taken for the owner's too easily; it
 * tampers with the file's signed address, forges files in bodies, and looks where uploads land. Every request is
 * sent to the letter, and uploads arrive late and in pieces.
 *
 * Run it on a test database: it uploads, and goes through the doors that change and delete.
 *
 * @throws AssertionError with one sentence for each violation; ERR_CONFIG for options that do not fit together
 * @example
 * await assertTenantIsolation({
 *   app,
 *   storage,
 *   tenants: ['acme', 'globex'],
 *   as: ({ memberOf, actsFor }) => ({ headers: { 'x-user': `admin of ${memberOf}`, host: `${actsFor}.example.com` } }),
 *   upload: { path: '/orders', field: 'file', file: { name: 'order.pdf', body: '%PDF-1.7\n' } },
 *   doors: [
 *     { name: 'one order', path: row => `/orders/${row.id}` },
 *     { name: 'delete an order', method: 'DELETE', path: row => `/orders/${row.id}` },
 *     { name: 'all orders', path: '/orders' },
 *   ],
 * })
 */
export async function assertTenantIsolation<Row = { id: string | number }>(
  options: TenantIsolationOptions<Row>,
): Promise<void> {
  const site = await openSite(options.app, options.baseUrl)
  try {
    const inspection = new Inspection(options, site.origin)
    await inspect(inspection)
    inspection.findings.assertNone()
  } finally {
    await site.close()
  }
}

async function inspect<Row>(inspection: Inspection<Row>): Promise<void> {
  const file = await inspection.upload(inspection.owner)
  if (file === undefined) return
  // Before the other tenant uploads the same sample: until then its bytes can only be the owner's.
  await checkDoors(inspection, file)
  await checkSignedAddress(inspection, file)
  await checkUploads(inspection, file)
  if (inspection.options.edit !== undefined) await checkEdit(inspection, inspection.options.edit, file)
}
