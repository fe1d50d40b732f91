import { hash } from 'node:crypto'
import { readFile as readFileWithCallback, type Stats, statSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import mimeTypes from 'mime-types'
import type { PutOptions } from '../../core/driver.js'
import type { GuardedRoot } from './guarded-root.js'
import { hasCode } from './local-errors.js'
import { makeFolder } from './make-folder.js'

/** What a file system has no place for. */
export type ObjectHeaders = Pick<PutOptions, 'contentType' | 'contentDisposition' | 'cacheControl'>

// Most objects have no sidecar, and the error that says so costs ten times less than the one of `node:fs/promises`.
const readFile = promisify(readFileWithCallback)

/** An object's headers, and the bytes that they belong to. */
export interface Sidecar extends ObjectHeaders {
  readonly size: number
  readonly modified: number
}

/**
 * Keeps an object's headers in a small file of the driver's own folder, and only where the extension does not
 * say it all: a `.pdf` of type application/pdf has none.
 *
 * The sidecar names the size and time of the bytes it belongs to. Bytes and sidecar cannot be written in one
 * step; after a crash between the two, or when the bytes were replaced by hand, the sidecar does not fit and is
 * not believed.
 */
export class Sidecars {
  readonly #root: GuardedRoot

  constructor(root: GuardedRoot) {
    this.#root = root
  }

  /**
   * Writes the sidecar of an object that is about to appear.
   *
   * @returns the step that puts it in its place, to be taken right after the object got its name
   */
  async prepare(
    key: string,
    headers: ObjectHeaders,
    stats: Stats,
    temporary: string,
  ): Promise<() => Promise<void>> {
    const path = this.#pathOf(key)
    if (isPlain(key, headers)) return () => rm(path, { force: true })
    const { contentType, contentDisposition, cacheControl } = headers
    const sidecar: Sidecar = { ...fingerprint(stats), contentType, contentDisposition, cacheControl }
    await makeFolder(dirname(path))
    await writeFile(temporary, JSON.stringify(sidecar), { flag: 'wx', mode: 0o640 })
    return () => rename(temporary, path)
  }

  /** What lies beside an object, if anything does: {@link headersOf} says whether it is to be believed. */
  async find(key: string): Promise<Sidecar | undefined> {
    const path = this.#pathOf(key)
    // A look at one of few folders, which the kernel remembers: a read in vain costs twenty times as much.
    if (statSync(dirname(path), { throwIfNoEntry: false }) === undefined) return undefined
    try {
      return JSON.parse(await readFile(path, 'utf8')) ?? undefined
    } catch (error) {
      // Torn by a power cut: the extension decides, as for every object without a sidecar.
      if (hasCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined
      throw error
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#pathOf(key), { force: true })
  }

  /** A hash, because the sidecar of `a` must not be in the way of the one of `a.json/b`. */
  #pathOf(key: string): string {
    const digest = hash('sha256', key)
    return this.#root.privatePath('headers', digest.slice(0, 2), `${digest}.json`)
  }
}

/** The headers of an object: those of its sidecar, where that fits, else what the extension says. */
export function headersOf(key: string, stats: Stats, sidecar: Sidecar | undefined): ObjectHeaders {
  const { size, modified } = fingerprint(stats)
  if (sidecar?.size !== size || sidecar.modified !== modified) return { contentType: typeOf(key) }
  const { contentType, contentDisposition, cacheControl } = sidecar
  return { contentType, contentDisposition, cacheControl }
}

function fingerprint(stats: Stats): { size: number; modified: number } {
  return { size: stats.size, modified: Math.trunc(stats.mtimeMs) }
}

function isPlain(key: string, headers: ObjectHeaders): boolean {
  return (
    headers.contentType === typeOf(key) &&
    headers.contentDisposition === undefined &&
    headers.cacheControl === undefined
  )
}

function typeOf(key: string): string {
  return mimeTypes.lookup(key.slice(key.lastIndexOf('/') + 1)) || 'application/octet-stream'
}
