// Digests in hexadecimal: webpack, Parcel, Rails (Propshaft, Sprockets), Django, Next. A date has no letter, and a
// word no digit.
const HEX = /^(?=.*\d)(?=.*[a-f])(?:[0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{12}|[0-9a-f]{16,64})$/

// Eight of base64 (Rollup, so Vite) or of base32 (esbuild) after a dash. `Chapter1` and `2Columns` are words.
const CODE = /^(?=.*\d)(?=.*[A-Z])(?![A-Za-z]+\d+$)(?!\d+[A-Za-z]+$)[A-Za-z0-9]{8}$/

// The same where nothing but the company tells it from a word: `shared-ChJ_j-JN.css`, `Inter-SemiBold.woff2`.
const LOOSE_CODE = /-[A-Za-z0-9_-]{8}$/

/**
 * Those of the keys whose name holds a digest of their bytes, so that they never change. In doubt a name holds
 * none: a file that is wrongly believed to never change stays in browsers for a year.
 *
 * A digest of eight letters looks like a word. It counts where all files of its folder end in such eight, and at
 * least one of them beyond doubt: so look the folders that bundlers fill.
 */
export function hashedKeys(keys: readonly string[]): ReadonlySet<string> {
  const folders = new Map<string, string[]>()
  for (const key of keys) {
    const folder = key.slice(0, key.lastIndexOf('/') + 1)
    const files = folders.get(folder)
    if (files === undefined) folders.set(folder, [key])
    else files.push(key)
  }
  return new Set([...folders.values()].flatMap(hashedIn))
}

function hashedIn(folder: readonly string[]): readonly string[] {
  const sure = folder.filter(key => holdsDigest(partsOf(key)))
  const isBundle = sure.length > 0 && folder.every(key => LOOSE_CODE.test(partsOf(key)[0] ?? ''))
  return isBundle ? folder : sure
}

/** The name between its dots, without the extension. */
function partsOf(key: string): string[] {
  return key
    .slice(key.lastIndexOf('/') + 1)
    .split('.')
    .slice(0, -1)
}

function holdsDigest(parts: readonly string[]): boolean {
  const [first = '', ...others] = parts
  // webpack's asset modules are called by their digest alone
  if (first.length >= 16 && HEX.test(first)) return true
  return others.some(part => HEX.test(part)) || parts.some(part => isDigest(afterDash(part)))
}

function isDigest(text: string): boolean {
  return HEX.test(text) || CODE.test(text)
}

function afterDash(part: string): string {
  return part.includes('-') ? part.slice(part.lastIndexOf('-') + 1) : ''
}
