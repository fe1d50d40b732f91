import { StorageError } from '../../core/errors.js'
import { assertListPrefix, isObjectKey } from '../../core/key.js'
import { assertKnownOptions } from '../../core/known-options.js'
import type { Storage } from '../../core/storage.js'
import { staticDisk } from './static-disk.js'

/**
 * What a bundler says of its output: the file that each name became. Vite's `manifest.json` as it is, the flat
 * one of webpack-manifest-plugin and Propshaft, `paths` of Django's `staticfiles.json`.
 */
export type BuildManifest = Readonly<
  Record<
    string,
    string | { readonly file: string; readonly css?: readonly string[]; readonly assets?: readonly string[] }
  >
>

/** What {@link staticUrls} should know. */
export interface StaticUrlOptions {
  /** The disk's name. Default: `static`. */
  disk?: string
  /** As it was pushed. Default: empty. */
  prefix?: string
  /** With it, only what was built has an address. */
  manifest?: BuildManifest
}

/**
 * A function for templates: the name of a static file → its permanent address. It throws ERR_NOT_READY before
 * `storage.ready()`, and ERR_CONFIG for a name that the manifest does not have.
 *
 * @throws ERR_CONFIG for a disk or a manifest that is none, ERR_DISK_UNKNOWN
 * @example
 * app.locals.asset = staticUrls(storage) // in a template: <link rel="stylesheet" href="<%= asset('app.css') %>">
 */
export function staticUrls(storage: Storage, options: StaticUrlOptions = {}): (name: string) => string {
  assertKnownOptions('staticUrls()', options, { disk: 'known', prefix: 'known', manifest: 'known' })
  const disk = staticDisk(storage, options.disk)
  const { prefix = '', manifest } = options
  assertListPrefix(prefix)
  const files = manifest && filesIn(manifest)
  return name => disk.url(prefix + (files === undefined ? name : builtFile(files, name)))
}

/** Names and outputs alike: the styles of a Vite entry are known by their outputs only. */
function filesIn(manifest: BuildManifest): ReadonlyMap<string, string> {
  const outputs = new Map<string, string>()
  const names = new Map<string, string>()
  for (const [name, entry] of Object.entries(manifest)) {
    const { file, css = [], assets = [] } = typeof entry === 'string' ? { file: entry } : entry
    for (const output of [file, ...css, ...assets]) outputs.set(output, output)
    names.set(name, file)
  }
  const wrong = [...outputs.keys()].filter(output => !isPath(output))
  if (wrong.length === 0) return new Map([...outputs, ...names])
  throw new StorageError(
    'ERR_CONFIG',
    `A build manifest maps names to paths below the pushed folder; got ${JSON.stringify(wrong[0])}. With webpack, set publicPath: "" in the manifest plugin.`,
  )
}

/** A manifest is read from a file, so anything may be in it. */
function isPath(output: unknown): boolean {
  return typeof output === 'string' && isObjectKey(output)
}

function builtFile(files: ReadonlyMap<string, string>, name: string): string {
  const file = files.get(name)
  if (file !== undefined) return file
  throw new StorageError(
    'ERR_CONFIG',
    `The build manifest has no ${JSON.stringify(name)}. Correct the name, or build and push again.`,
  )
}
