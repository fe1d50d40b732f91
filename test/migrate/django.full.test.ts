import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, expect, it } from 'vitest'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3, s3Client } from '../support/s3.js'
import { run } from '../tooling/tools.js'
import { type DjangoRow, type DjangoShop, djangoShop } from './django-shop.js'

const ROWS = 300

const GOOD: readonly (readonly [website: string, file: string])[] = [
  ['acme', 'acme/order_files/Rechnung Nr. 7 (Kopie).PDF'],
  ['acme', 'acme/order_files/Ünïcödé ﬁle 文書.pdf'],
  ['acme', 'acme/order_files/2019/03/01/deep/er/x.pdf'],
  ['acme', 'acme/order_files/100%25 + #1 & "quoted" it\'s.pdf'],
  ['acme', 'acme/order_files/no_extension'],
  ['acme', 'acme/top-level.pdf'],
  ['ACME', 'ACME/order_files/upper-case.pdf'],
  ['acme', 'acme/order_files/shared.pdf'],
  ['acme', 'acme/order_files/shared.pdf'],
  ['acme', 'acme/order_files/shared.pdf'],
]
const BAD: readonly (readonly [website: string, file: string, code: string])[] = [
  ['acme', 'acme/order_files/gone.pdf', 'ERR_FILE_NOT_FOUND'],
  ['acme', 'acme/order_files/empty.pdf', 'ERR_FILE_EMPTY'],
  ['acme', 'logo.pdf', 'ERR_KEY_INVALID'],
  ['acme', '../../../etc/passwd', 'ERR_KEY_INVALID'],
  ['acme', 'acme/../globex/order_files/secret.pdf', 'ERR_KEY_INVALID'],
  ['acme', 'globex/order_files/secret.pdf', 'ERR_TENANT_MISMATCH'],
  ['acme.example', 'acme.example/order_files/a.pdf', 'ERR_TENANT_INVALID'],
]
const NONE: readonly (readonly [website: string, file: string])[] = [
  ['acme', ''],
  ['acme', ''],
]
const ADOPTED = ROWS + GOOD.length

let open: DjangoShop | undefined
afterEach(() => open?.close())

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const withoutFile = ({ file: _, ...rest }: DjangoRow) => rest

describeWithPostgres('the files of a Django application', () => {
  describeWithS3('that is replaced by ours', () => {
    it('go to the cloud by the documented commands alone, and all the way back', {
      timeout: 400_000,
    }, async () => {
      open = await djangoShop(
        ROWS,
        [...GOOD, ...BAD, ...NONE].map(([website, file]) => [website, file] as const),
      )
      const { shop, database, bucket, files, rows, pathOf } = open
      const typeorm = (...args: string[]) =>
        run(process.execPath, ['node_modules/typeorm/cli.js', ...args, '-d', 'data-source.mjs'], shop.folder)
      const done = async (command: Promise<{ code: number | null; stdout: string; stderr: string }>) => {
        const { code, stdout, stderr } = await command
        expect({ code, told: `${stdout}${stderr}` }).toMatchObject({ code: 0 })
      }
      const command = async (...args: string[]) => {
        const { code, stdout, stderr } = await shop.run(...args, '--json')
        return { code, stderr, reports: JSON.parse(stdout) }
      }
      const column = () =>
        database.query(
          `SELECT data_type, character_maximum_length, is_nullable FROM information_schema.columns WHERE table_name = 'shop_orderfile' AND column_name = 'file'`,
        )
      const before = await rows()
      const columnBefore = await column()
      const codesOf = (report: { failures: { row: string; code: string }[] }) =>
        Object.fromEntries(
          report.failures.map(({ row, code }) => [
            before.find(({ id }) => id === Number(JSON.parse(row)[0]))?.file,
            code,
          ]),
        )
      const refused = Object.fromEntries(BAD.map(([, file, code]) => [file, code]))

      // The column first, and then what TypeORM finds missing: the ledger.
      await done(typeorm('migration:run'))
      expect((await column())[0]).toMatchObject({ data_type: 'text', is_nullable: 'YES' })
      await done(typeorm('migration:generate', 'migrations/ledger', '--outputJs', '--esm'))
      const [generated = ''] = readdirSync(path.join(shop.folder, 'migrations')).filter(name =>
        name.endsWith('.js'),
      )
      expect(readFileSync(path.join(shop.folder, 'migrations', generated), 'utf8')).not.toContain('"file"')
      await done(typeorm('migration:run'))
      expect(await rows()).toEqual(before)

      const plan = await command('adopt', 'OrderFile', '--owner', 'website', '--dry-run')
      expect(plan).toMatchObject({ code: 1, reports: [{ adopted: ADOPTED, copied: 2, failed: BAD.length }] })
      expect(codesOf(plan.reports[0])).toEqual(refused)
      expect(await rows()).toEqual(before)

      const adopted = await command('adopt', 'OrderFile', '--owner', 'website')
      expect(adopted).toMatchObject({
        code: 1,
        reports: [{ adopted: ADOPTED, copied: 2, failed: BAD.length }],
      })
      expect(codesOf(adopted.reports[0])).toEqual(refused)
      const asFiles = await rows()
      expect(asFiles.map(withoutFile)).toEqual(before.map(withoutFile))
      const isAdopted = ({ file }: DjangoRow) => file.startsWith('{')
      expect(asFiles.filter(isAdopted)).toHaveLength(ADOPTED)
      for (const [index, row] of asFiles.entries()) {
        const old = before[index]?.file ?? ''
        if (!isAdopted(row)) {
          expect(row.file).toBe(old)
          continue
        }
        const bytes = files.get(old) ?? Buffer.of()
        const told = JSON.parse(row.file)
        expect(told).toMatchObject({
          ...{ backend: 'local', tenant: row.website, name: path.posix.basename(old) },
          ...{ size: bytes.length, type: 'application/pdf', sha256: sha256(bytes) },
        })
        expect(readFileSync(pathOf(`${told.tenant}/${told.key}`))).toEqual(bytes)
      }

      const moved = await command('migrate', 'OrderFile', '--to', 's3')
      // What could not be adopted, and is there, moves or fails for itself; nothing of it leaves its place unseen.
      expect(moved.reports[0].moved).toBeGreaterThanOrEqual(ADOPTED)
      for (const [index, row] of (await rows()).entries()) {
        const bytes = files.get(before[index]?.file ?? '')
        if (!isAdopted(asFiles[index] ?? row)) continue
        const { backend, tenant, key } = JSON.parse(row.file)
        expect(backend).toBe('s3')
        const { Body } = await s3Client().send(
          new GetObjectCommand({ Bucket: bucket, Key: `media/${tenant}/${key}` }),
        )
        expect(sha256((await Body?.transformToByteArray()) ?? Buffer.of())).toBe(sha256(bytes ?? Buffer.of()))
      }

      expect(await command('rollback', 'OrderFile', '--to', 's3')).toMatchObject({
        code: 0,
        reports: [{ failed: 0 }],
      })
      expect(await rows()).toEqual(asFiles)
      expect(await command('adopt', 'OrderFile', '--rollback')).toMatchObject({
        code: 0,
        reports: [{ restored: ADOPTED, skipped: 0, failed: 0 }],
      })
      expect(await rows()).toEqual(before)
      await done(typeorm('migration:revert'))
      await done(typeorm('migration:revert'))
      expect(await column()).toEqual(columnBefore)
      expect(await rows()).toEqual(before)
      for (const [name, bytes] of files) expect(readFileSync(pathOf(name))).toEqual(bytes)
    })
  })
})
