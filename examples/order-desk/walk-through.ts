import { strict as assert } from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { runWithTenant } from 'tenant-files'
import { rulesOf } from 'tenant-files/typeorm'
import { storeFile } from 'tenant-files/upload'
import type { Desk } from './desk.js'
import { OrderFile } from './entities/order-file.js'
import { sample, Visitor } from './visitor.js'

interface Row {
  id: number
  file: { name: string; size: number; type: string; url: string }
}

/** The whole job in plain words, checked as it goes: the first thing that is not as it should be ends it. */
export async function walkThrough(desk: Desk, address: string): Promise<void> {
  const [anna, bela, stranger] = [
    new Visitor(address, 'anna'),
    new Visitor(address, 'bela'),
    new Visitor(address),
  ]

  title('Two tenants upload')
  const order = await created(anna.upload('/acme/order-files', await sample('order.pdf'), 'Prüfung 报告.pdf'))
  say(`Anna of acme uploads an order: "${order.file.name}", ${order.file.size} bytes, ${order.file.type}.`)
  const plan = await created(
    bela.upload('/globex/order-files', await sample('floor-plan.pdf'), 'floor-plan.pdf'),
  )
  say(`Bela of globex uploads "${plan.file.name}".`)
  await created(anna.upload('/acme/class-bundles', await sample('lessons.zip'), 'lessons.zip'))
  const picture = await created(
    anna.upload('/acme/blog-pictures', await sample('picture.png'), 'picture.png'),
  )
  await showRows(desk)
  await showKeys(desk)

  title('The address is the key to a private file')
  const download = await stranger.get(order.file.url)
  assert.equal(download.status, 200)
  assert.deepEqual(Buffer.from(await download.arrayBuffer()), await sample('order.pdf'))
  say('Whoever holds the signed address gets the file, byte for byte, under its true name:')
  say(`  ${download.headers.get('content-disposition')}`)
  await refused(stranger.get(tampered(order.file.url)), 403, 'One changed character in the address')
  await refused(stranger.get(order.file.url.split('?')[0] ?? ''), 403, 'The address without its signature')
  await refused(
    stranger.get(await shortLived(desk, order.id)),
    403,
    'An address of one second, two seconds later',
  )

  title('What is public stays public, what is not stays private')
  const shown = await stranger.get(picture.file.url)
  assert.equal(shown.status, 200)
  say(`The blog picture has a permanent address: ${picture.file.url.split('?')[0]?.slice(0, 60)}…`)

  title('Another tenant gets nothing')
  await refused(bela.get('/acme/order-files'), 403, 'Bela opens the pages of acme')
  await refused(bela.get(`/globex/order-files/${order.id}`), 404, "Bela asks for Anna's row by its number")
  await otherTenantRefused(desk, order.id)

  title('What does not belong here is not stored')
  const disguised = await sample('not-a-picture.png')
  await refused(
    anna.upload('/acme/order-files', disguised, 'holiday.png'),
    415,
    'A web page that calls itself a picture',
  )
  await refused(anna.upload('/acme/order-files', Buffer.alloc(0), 'empty.pdf'), 400, 'A file without a byte')
  const huge = Buffer.concat([await sample('picture.png'), Buffer.alloc(6 * 1024 * 1024)])
  await refused(anna.upload('/acme/blog-pictures', huge, 'huge.png'), 413, 'A picture over the limit of 5 MB')

  title('A file lives and dies with its row')
  await rolledBack(desk)
  const replaced = await anna.upload(
    `/acme/order-files/${order.id}`,
    await sample('floor-plan.pdf'),
    'order-v2.pdf',
    'PUT',
  )
  assert.equal(replaced.status, 200)
  say(`Anna replaces her order; the row now has "${((await replaced.json()) as Row).file.name}".`)
  console.log('\nEverything is as it should be.')
}

async function created(answer: Promise<Response>): Promise<Row> {
  const response = await answer
  assert.equal(response.status, 201, await response.clone().text())
  return (await response.json()) as Row
}

async function refused(answer: Promise<Response>, status: number, what: string): Promise<void> {
  const response = await answer
  const text = await response.text()
  assert.equal(response.status, status, `${what}: ${text}`)
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? /<Code>(\w+)</.exec(text)?.[1] ?? ''
  say(`${what}: ${status} ${code}`)
}

async function showRows({ dataSource }: Desk): Promise<void> {
  const rows: { tenant: string; file: string }[] = await dataSource.query(
    'SELECT tenant, file FROM order_file ORDER BY id',
  )
  say('The database holds what a file is and where it lies, and never an address:')
  for (const { tenant, file } of rows) say(`  ${tenant}: ${file}`)
  assert.ok(rows.every(({ file }) => !/https?:|signature/i.test(file)))
}

async function showKeys({ storage }: Desk): Promise<void> {
  say('In the storage every object lies under its own tenant:')
  for (const tenant of ['acme', 'globex']) {
    await runWithTenant(tenant, async () => {
      const disk = storage.disk('media')
      for await (const { key } of disk.list())
        say(`  ${disk.objectKey({ disk: 'media', backend: '', tenant, key })}`)
    })
  }
}

async function shortLived({ dataSource }: Desk, id: number): Promise<string> {
  const row = await dataSource.getRepository(OrderFile).findOneByOrFail({ id })
  const url = await runWithTenant('acme', async () => row.file?.signedUrl({ expiresIn: 1 }))
  await sleep(2_100)
  return url ?? ''
}

async function otherTenantRefused({ dataSource }: Desk, id: number): Promise<void> {
  const row = await dataSource.getRepository(OrderFile).findOneByOrFail({ id })
  await assert.rejects(
    runWithTenant('globex', async () => row.file?.url),
    { code: 'ERR_TENANT_MISMATCH' },
  )
  say("Even with Anna's row in hand, code that runs for globex gets no address: ERR_TENANT_MISMATCH")
}

async function rolledBack({ storage, dataSource }: Desk): Promise<void> {
  const orders = dataSource.getRepository(OrderFile)
  const before = await orders.count()
  await runWithTenant('acme', async () => {
    const file = await storeFile(storage, await sample('order.pdf'), rulesOf(OrderFile, 'file'), {
      name: 'never.pdf',
    })
    const attempt = dataSource.transaction(async manager => {
      await manager.save(OrderFile, { tenant: 'acme', file })
      throw new Error('the customer changed their mind')
    })
    await assert.rejects(attempt, /changed their mind/)
  })
  assert.equal(await orders.count(), before)
  const [line]: { state: string }[] = await dataSource.query(
    "SELECT state FROM file_ledger WHERE state = 'pending'",
  )
  assert.equal(line?.state, 'pending')
  say(
    'A transaction that is rolled back leaves no row. Its upload is linked from nowhere, and the ledger knows it as pending.',
  )
}

/** Changes one character of the signature, whoever made it. */
function tampered(url: string): string {
  return url.replace(
    /([Ss]ignature=)(.)/,
    (_all, name: string, first: string) => name + (first === 'a' ? 'b' : 'a'),
  )
}

function title(text: string): void {
  console.log(`\n${text}`)
}

function say(text: string): void {
  console.log(`  ${text}`)
}
