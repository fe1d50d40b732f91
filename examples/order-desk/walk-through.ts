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

/**
 * The whole job in plain words, checked as it goes: the first thing that is not as it should be ends it.
 *
 * @param print takes one line of text
 */
export async function walkThrough(desk: Desk, address: string, print: (line: string) => void): Promise<void> {
  const tour = new Tour(desk, address, print)
  const { order, picture } = await tour.twoTenantsUpload()
  await tour.addressesAreKeys(order)
  await tour.publicStaysPublic(picture)
  await tour.otherTenantsGetNothing(order)
  await tour.strangeThingsAreRefused()
  await tour.filesLiveWithTheirRows(order)
  print('\nEverything is as it should be.')
}

class Tour {
  readonly #desk: Desk
  readonly #print: (line: string) => void
  readonly #anna: Visitor
  readonly #bela: Visitor
  readonly #stranger: Visitor

  constructor(desk: Desk, address: string, print: (line: string) => void) {
    this.#desk = desk
    this.#print = print
    this.#anna = new Visitor(address, 'anna')
    this.#bela = new Visitor(address, 'bela')
    this.#stranger = new Visitor(address)
  }

  async twoTenantsUpload(): Promise<{ order: Row; picture: Row }> {
    this.#title('Two tenants upload')
    const [anna, bela] = [this.#anna, this.#bela]
    const order = await created(
      anna.upload('/acme/order-files', await sample('order.pdf'), 'Prüfung 报告.pdf'),
    )
    const { name, size, type } = order.file
    this.#say(`Anna of acme uploads an order: "${name}", ${size} bytes, ${type}.`)
    await created(bela.upload('/globex/order-files', await sample('floor-plan.pdf'), 'floor-plan.pdf'))
    this.#say('Bela of globex uploads "floor-plan.pdf".')
    await created(anna.upload('/acme/class-bundles', await sample('lessons.zip'), 'lessons.zip'))
    const picture = await created(
      anna.upload('/acme/blog-pictures', await sample('picture.png'), 'picture.png'),
    )
    await this.#showRows()
    await this.#showKeys()
    return { order, picture }
  }

  async addressesAreKeys({ id, file }: Row): Promise<void> {
    this.#title('The address is the key to a private file')
    const download = await this.#stranger.get(file.url)
    assert.equal(download.status, 200)
    assert.deepEqual(Buffer.from(await download.arrayBuffer()), await sample('order.pdf'))
    this.#say('Whoever holds the signed address gets the file, byte for byte, under its true name:')
    this.#say(`  ${download.headers.get('content-disposition')}`)
    await this.#refused(403, 'One changed character in the address', this.#stranger.get(tampered(file.url)))
    const unsigned = file.url.split('?')[0] ?? ''
    await this.#refused(403, 'The address without its signature', this.#stranger.get(unsigned))
    const shortLived = await this.#addressOfOneSecond(id)
    await sleep(2_100)
    await this.#refused(403, 'An address of one second, two seconds later', this.#stranger.get(shortLived))
  }

  async publicStaysPublic({ file }: Row): Promise<void> {
    this.#title('What is public has a permanent address')
    const answer = await this.#stranger.get(file.url)
    assert.equal(answer.status, 200)
    assert.ok(!file.url.includes('?'))
    this.#say(`The blog picture is there for everyone: ${file.url}`)
    const style = await this.#linkedStyle()
    this.#say(`The pages take their stylesheet from the static disk: ${style}`)
  }

  async otherTenantsGetNothing({ id }: Row): Promise<void> {
    this.#title('Another tenant gets nothing')
    await this.#refused(403, 'Bela opens the pages of acme', this.#bela.get('/acme/order-files'))
    await this.#refused(
      404,
      "Bela asks for Anna's row by its number",
      this.#bela.get(`/globex/order-files/${id}`),
    )
    const row = await this.#order(id)
    await assert.rejects(
      runWithTenant('globex', async () => row.file?.url),
      { code: 'ERR_TENANT_MISMATCH' },
    )
    this.#say("Code that runs for globex gets no address, even with Anna's row in hand: ERR_TENANT_MISMATCH")
  }

  async strangeThingsAreRefused(): Promise<void> {
    this.#title('What does not belong here is not stored')
    const page = await sample('not-a-picture.png')
    const huge = Buffer.concat([await sample('picture.png'), Buffer.alloc(6 * 1024 * 1024)])
    const attempts = [
      [415, 'A web page that calls itself a picture', 'order-files', page, 'holiday.png'],
      [400, 'A file without a byte', 'order-files', Buffer.alloc(0), 'empty.pdf'],
      [413, 'A picture over the limit of 5 MB', 'blog-pictures', huge, 'huge.png'],
    ] as const
    for (const [status, what, path, bytes, name] of attempts) {
      await this.#refused(status, what, this.#anna.upload(`/acme/${path}`, bytes, name))
    }
  }

  async filesLiveWithTheirRows({ id }: Row): Promise<void> {
    this.#title('A file lives and dies with its row')
    await this.#rollBack()
    this.#say('A transaction that is rolled back leaves no row. Its upload is linked from nowhere, and the')
    this.#say('ledger knows it as pending.')
    const plan = await sample('floor-plan.pdf')
    const answer = await this.#anna.upload(`/acme/order-files/${id}`, plan, 'order-v2.pdf', 'PUT')
    assert.equal(answer.status, 200)
    const { file } = (await answer.json()) as Row
    this.#say(`Anna replaces her order; the row now has "${file.name}".`)
  }

  async #rollBack(): Promise<void> {
    const { storage, dataSource } = this.#desk
    const orders = dataSource.getRepository(OrderFile)
    const before = await orders.count()
    const bytes = await sample('order.pdf')
    await runWithTenant('acme', async () => {
      const file = await storeFile(storage, bytes, rulesOf(OrderFile, 'file'), { name: 'never.pdf' })
      const attempt = dataSource.transaction(async manager => {
        await manager.save(OrderFile, { tenant: 'acme', file })
        throw new Error('the customer changed their mind')
      })
      await assert.rejects(attempt, /changed their mind/)
    })
    assert.equal(await orders.count(), before)
    const pending = await dataSource.query("SELECT state FROM file_ledger WHERE state = 'pending'")
    assert.equal(pending.length, 1)
  }

  async #linkedStyle(): Promise<string> {
    const page = await (await this.#stranger.get('/')).text()
    const url = /<link rel="stylesheet" href="([^"]+)">/.exec(page)?.[1] ?? ''
    const style = await this.#stranger.get(url)
    assert.equal(style.status, 200)
    assert.equal(style.headers.get('content-type'), 'text/css; charset=utf-8')
    assert.match(await style.text(), /^body \{/)
    return url
  }

  async #showRows(): Promise<void> {
    const sql = 'SELECT tenant, file FROM order_file ORDER BY id'
    const rows: { tenant: string; file: string }[] = await this.#desk.dataSource.query(sql)
    this.#say('The database holds what a file is and where it lies, and never an address:')
    for (const { tenant, file } of rows) this.#say(`  ${tenant}: ${file}`)
    assert.ok(rows.every(({ file }) => !/https?:|signature/i.test(file)))
  }

  async #showKeys(): Promise<void> {
    this.#say('In the storage every object lies under its own tenant:')
    const disk = this.#desk.storage.disk('media')
    for (const tenant of ['acme', 'globex']) {
      await runWithTenant(tenant, async () => {
        for await (const { key } of disk.list()) {
          this.#say(`  ${disk.objectKey(disk.address(key, 'head'))}`)
        }
      })
    }
  }

  async #addressOfOneSecond(id: number): Promise<string> {
    const { file } = await this.#order(id)
    return runWithTenant('acme', async () => (await file?.signedUrl({ expiresIn: 1 })) ?? '')
  }

  #order(id: number): Promise<OrderFile> {
    return this.#desk.dataSource.getRepository(OrderFile).findOneByOrFail({ id })
  }

  async #refused(status: number, what: string, answer: Promise<Response>): Promise<void> {
    const response = await answer
    const text = await response.text()
    assert.equal(response.status, status, `${what}: ${text}`)
    // Ours in JSON, S3's in XML.
    const code = /"code":"(\w+)"|<Code>(\w+)</.exec(text)
    this.#say(`${what}: ${status} ${code?.[1] ?? code?.[2] ?? ''}`)
  }

  #title(text: string): void {
    this.#print(`\n${text}`)
  }

  #say(text: string): void {
    this.#print(`  ${text}`)
  }
}

async function created(answer: Promise<Response>): Promise<Row> {
  const response = await answer
  assert.equal(response.status, 201, await response.clone().text())
  return (await response.json()) as Row
}

/** Changes one character of the signature, whoever made it. */
function tampered(url: string): string {
  return url.replace(
    /([Ss]ignature=)(.)/,
    (_all, name: string, first: string) => name + (first === 'a' ? 'b' : 'a'),
  )
}
