import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { storageFromEnv } from '../../src/env/index.js'
import { root } from '../tooling/tools.js'

const folder = path.join(root, 'examples/env')
const files = readdirSync(folder)
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8')
/** The lines that are commented out because they are optional: `# NAME=value`. */
const withOptions = (text: string) => text.replace(/^# ([A-Z][A-Z0-9_]*=)/gm, '$1')
const documented = [
  ...readFileSync(path.join(root, 'docs/reference/env.md'), 'utf8').matchAll(
    /^\| `([A-Z0-9_]+)` \| .* \| /gm,
  ),
].map(([, name]) => name)

/** Which backend gets the new files of an environment. */
function backendsOf(text: string): readonly string[] {
  return storageFromEnv({}, { ...parseEnv(text), STORAGE_URL_SECRET: 'a secret of the tests' }).backendNames
}

describe('the example environments', () => {
  it.each(files)('%s sets up a storage as it stands, and with every option that it offers', file => {
    const text = read(file)
    const { STORAGE_BACKEND: backend = '' } = parseEnv(text)
    const name = backend === 'do_spaces' ? 'spaces' : backend
    expect(backendsOf(text)).toEqual([name])
    expect(backendsOf(withOptions(text)).at(-1)).toBe(name)
  })

  it.each(files)('%s is refused with the secret that everybody can read', file => {
    expect(() => storageFromEnv({}, parseEnv(read(file)))).toThrow(/STORAGE_URL_SECRET still holds/)
  })

  it.each(files)('%s names only variables of the reference', file => {
    const names = Object.keys(parseEnv(withOptions(read(file))))
    expect(names.length).toBeGreaterThan(4)
    expect(names.filter(name => !documented.includes(name))).toEqual([])
  })

  it.each(files)('%s holds no secret: every value of one says that it is to be replaced', file => {
    const values = Object.entries(parseEnv(withOptions(read(file))))
    const secret = values.filter(([name]) => /SECRET|ACCESS_KEY|ACCOUNT_KEY|TOKEN/.test(name))
    expect(secret.length).toBeGreaterThan(0)
    expect(secret.filter(([, value]) => !/^(your|replace-me)/.test(value ?? ''))).toEqual([])
  })

  it.each(files)('%s stands in the reference', file => {
    expect(readFileSync(path.join(root, 'docs/reference/env.md'), 'utf8')).toContain(`examples/env/${file})`)
  })

  it('leave no variable of the reference out', () => {
    const shown = files.flatMap(file => Object.keys(parseEnv(withOptions(read(file)))))
    expect(documented.length).toBeGreaterThan(20)
    expect(documented.filter(name => !shown.includes(name ?? ''))).toEqual([])
  })
})
