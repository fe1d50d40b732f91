// Writes the table of the drivers' capabilities into docs/reference/drivers.md, from the built library.
//
//   node scripts/docs-capabilities.mjs           writes it
//   node scripts/docs-capabilities.mjs --check   changes nothing; fails when page and drivers differ
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './run.mjs'

const page = path.join(root, 'docs/reference/drivers.md')
const place = /(<!-- capabilities:.*-->\n)[\s\S]*?(<!-- \/capabilities -->)/

const load = room => import(pathToFileURL(path.join(root, 'dist/drivers', room, 'index.js')).href)
const { LocalDriver } = await load('local')
const { MemoryDriver } = await load('memory')
const { S3Driver } = await load('s3')
const { SpacesDriver } = await load('spaces')
const { AzureDriver } = await load('azure')
const { GcsDriver } = await load('gcs')

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

// None of them opens anything before ready().
const drivers = {
  local: new LocalDriver({ root: 'var/files' }),
  memory: new MemoryDriver(),
  s3: new S3Driver({ bucket: 'files', region: 'us-east-1' }),
  spaces: new SpacesDriver({ bucket: 'files', region: 'nyc3' }),
  azure: new AzureDriver({ container: 'files', accountName: 'account', accountKey: 'c2VjcmV0' }),
  gcs: new GcsDriver({
    bucket: 'files',
    credentials: {
      client_email: 'desk@project.iam.gserviceaccount.com',
      private_key: key.export({ type: 'pkcs8', format: 'pem' }),
    },
  }),
}

const names = [...new Set(Object.values(drivers).flatMap(driver => Object.keys(driver.capabilities)))]
const rows = [
  ['driver', ...names.map(name => `\`${name}\``)],
  ['', ...names].map(() => '---'),
  ...Object.entries(drivers).map(([driver, { capabilities }]) => [
    driver,
    ...names.map(name => cell(capabilities[name])),
  ]),
]
const table = rows.map(cells => `| ${cells.join(' | ')} |\n`).join('')

const text = readFileSync(page, 'utf8')
if (!place.test(text)) throw new Error('drivers.md has no place for the table of capabilities')
const updated = text.replace(place, (_, start, end) => `${start}${table}${end}`)
if (!process.argv.includes('--check')) writeFileSync(page, updated)
else if (updated !== text) {
  console.error(
    `drivers.md and the drivers differ; run node scripts/docs-capabilities.mjs. It should say:\n${table}`,
  )
  process.exitCode = 1
}

function cell(value) {
  if (Array.isArray(value)) return value.map(word => `\`${word}\``).join(', ') || 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'number' ? value.toLocaleString('en') : 'none'
}
