// The files that move: on a disk, and as what their rows say of them.
import { hash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const [KIB, MIB] = [1024, 1024 * 1024]
const TENANTS = 50

/** What is moved. */
export const sets = {
  small: { title: '5,000 files of 20 KiB', count: 5000, size: 20 * KIB },
  large: { title: '20 files of 50 MiB', count: 20, size: 50 * MIB },
}

/**
 * Writes files below `root` as LocalDriver keeps them, and what is known of them into `list`.
 *
 * @returns nothing; the list is a JSON array of what a file column holds
 */
export function makeFiles({ count, size }, root, list) {
  const rows = []
  for (let i = 0; i < count; i++) {
    const tenant = `tenant-${i % TENANTS}`
    const key = `order_files/${i.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000.pdf`
    const place = path.join(root, 'media', tenant, key)
    const bytes = Buffer.alloc(size, randomBytes(Math.min(size, MIB)))
    mkdirSync(path.dirname(place), { recursive: true })
    writeFileSync(place, bytes)
    rows.push({
      ...{ disk: 'media', backend: 'local', tenant, key, name: `order ${i}.pdf` },
      ...{ size, type: 'application/pdf', sha256: hash('sha256', bytes) },
    })
  }
  writeFileSync(list, JSON.stringify(rows))
}
