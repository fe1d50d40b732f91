import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { paginateListObjectsV2 } from '@aws-sdk/client-s3'
import type { DataSource } from 'typeorm'
import { s3Client } from '../support/s3.js'
import { contentOf } from './delivery.js'

/** A row of a delivery to the letter. */
export interface Raw {
  readonly text: string
  readonly version: number
  readonly changed: string
}

/** All of them, by their ids. */
export async function rawRows(dataSource: DataSource): Promise<Map<number, Raw>> {
  const rows = await dataSource.query('SELECT id, file AS text, version, changed::text FROM delivery')
  return new Map(rows.map(({ id, ...raw }: Raw & { id: number }) => [id, raw]))
}

/** What the files of rows are called. */
export function namesIn(rows: ReadonlyMap<number, Raw>): Map<number, string> {
  return new Map([...rows].map(([id, { text }]) => [id, JSON.parse(text).name]))
}

/** Where rows say that their files lie. */
export function backendsIn(rows: ReadonlyMap<number, Raw>): Set<string> {
  return new Set([...rows.values()].map(({ text }) => JSON.parse(text).backend))
}

/** By key the length and the MD5 of what lies in a bucket, as the server tells of it. */
export async function objectsIn(bucket: string): Promise<Map<string, string>> {
  const objects = new Map<string, string>()
  for await (const page of paginateListObjectsV2({ client: s3Client() }, { Bucket: bucket }))
    for (const { Key, Size, ETag } of page.Contents ?? []) objects.set(String(Key), `${Size} ${ETag}`)
  return objects
}

/** What {@link objectsIn} is to tell of the files of these rows. */
export function objectsOf(rows: ReadonlyMap<number, Raw>): Map<string, string> {
  const objects = new Map<string, string>()
  for (const { text } of rows.values()) {
    const { tenant, key, name } = JSON.parse(text)
    const content = contentOf(name)
    const digest = createHash('md5').update(content).digest('hex')
    objects.set(`media/${tenant}/${key}`, `${content.length} "${digest}"`)
  }
  return objects
}

/** The names of all files in a folder and below. */
export async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries.filter(entry => !entry.isDirectory()).map(({ name }) => name)
}
