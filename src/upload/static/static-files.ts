import { readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { StorageError } from '../../core/errors.js'
import { isObjectKey } from '../../core/key.js'

/** One file of a folder that is pushed. */
export interface FoundFile {
  /** Below the folder, with slashes. */
  readonly name: string
  readonly path: string
}

/** What {@link findFiles} should know. */
export interface FindOptions {
  dotFiles: 'skip' | 'include'
  /** Whether a name, which is a valid key, can be stored as well. */
  isStorable: (name: string) => boolean
}

/**
 * All files below a folder. What cannot be pushed is refused here, before anything is stored, and all of it at once.
 *
 * A link counts as the file it leads to, inside of the folder. Every other link is refused: followed, one would
 * publish what lies elsewhere; left out, it would be missing in production only.
 *
 * @throws ERR_CONFIG for a folder that is missing or empty, and for names that cannot be keys
 */
export async function findFiles(dir: string, options: FindOptions): Promise<FoundFile[]> {
  const root = await rootOf(dir)
  const search: Search = { ...options, root, files: [], faults: [] }
  await visit(search, '')
  const faults = [...search.faults, ...twins(search.files)]
  if (faults.length > 0) {
    throw new StorageError('ERR_CONFIG', `Nothing was pushed. Rename or remove first: ${faults.join('; ')}.`)
  }
  // An empty folder is a build that failed, and would make every file stale.
  if (search.files.length === 0) throw new StorageError('ERR_CONFIG', `There are no files to push in ${dir}.`)
  return search.files
}

interface Search extends FindOptions {
  readonly root: string
  readonly files: FoundFile[]
  readonly faults: string[]
}

async function rootOf(dir: string): Promise<string> {
  const root = await realpath(dir).catch(() => undefined)
  if (root !== undefined && (await stat(root)).isDirectory()) return root
  throw new StorageError('ERR_CONFIG', `There is no folder ${dir} to push.`)
}

async function visit(search: Search, below: string): Promise<void> {
  const entries = await readdir(join(search.root, below), { withFileTypes: true }).catch(cause => {
    throw new StorageError('ERR_CONFIG', `The folder ${JSON.stringify(below)} cannot be read.`, { cause })
  })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') && search.dotFiles === 'skip') continue
    const name = below + entry.name
    if (entry.isDirectory()) await visit(search, `${name}/`)
    else
      await judge(
        search,
        name,
        entry.isFile() || (entry.isSymbolicLink() && (await leadsInside(search, name))),
      )
  }
}

async function judge(
  { root, files, faults, isStorable }: Search,
  name: string,
  isFile: boolean,
): Promise<void> {
  // A name that is not UTF-8 comes with this character in its place, and cannot be opened.
  const isName = isObjectKey(name) && !name.includes('\ufffd') && isStorable(name)
  if (!isFile) faults.push(`${JSON.stringify(name)} (no file, or a link that leads to none in this folder)`)
  else if (!isName) faults.push(`${JSON.stringify(name)} (not a valid key)`)
  else files.push({ name, path: join(root, name) })
}

async function leadsInside({ root }: Search, name: string): Promise<boolean> {
  try {
    const target = await realpath(join(root, name))
    return target.startsWith(root + sep) && (await stat(target)).isFile()
  } catch {
    return false // to nowhere, or to itself
  }
}

/** Names that differ in case only: one file on some disks, two objects on most backends. */
function twins(files: readonly FoundFile[]): string[] {
  const seen = new Map<string, string>()
  return files.flatMap(({ name }) => {
    const twin = seen.get(name.toLowerCase())
    seen.set(name.toLowerCase(), name)
    return twin === undefined
      ? []
      : [`${JSON.stringify(name)} (differs from ${JSON.stringify(twin)} in case only)`]
  })
}
