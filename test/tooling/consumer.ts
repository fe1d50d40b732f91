import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { inject } from 'vitest'
import { root, run, runTool, tempFolder } from './tools.js'

interface Tarball {
  path: string
  files: { path: string }[]
}

/** Once for all consumers: npm takes seconds for it. */
let packed: Promise<Tarball> | undefined

async function pack(): Promise<Tarball> {
  const folder = mkdtempSync(path.join(inject('runDir'), 'packed-'))
  const { code, stdout, stderr } = await run('npm', [
    ...['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', folder],
  ])
  if (code !== 0) throw new Error(`npm pack failed: ${stdout}${stderr}`)
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  return { path: path.join(folder, path.basename(filename)), files }
}

/**
 * A project outside of this repository that has the packed library and, by links, what is installed here.
 *
 * @param without names of packages, or of whole scopes, that the project lacks.
 */
export async function createConsumer({ without = [] as string[] } = {}) {
  const { folder, remove } = tempFolder('consumer')
  packed ??= pack()
  const tarball = await packed
  const modules = path.join(folder, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(path.join(root, 'node_modules'))) {
    if (name.startsWith('.') || without.includes(name)) continue
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction')
  }
  const unpacked = await run('tar', ['-xzf', tarball.path], folder)
  if (unpacked.code !== 0) throw new Error(`tar failed: ${unpacked.stderr}`)
  cpSync(path.join(folder, 'package'), path.join(modules, 'tenant-files'), { recursive: true })
  rmSync(path.join(folder, 'package'), { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module' }))

  return {
    remove,
    /** What is in the tarball. */
    files: tarball.files.map(file => file.path).sort(),
    /** Runs a module of the consumer's and answers with what it printed as JSON. */
    async runModule(code: string): Promise<unknown> {
      writeFileSync(path.join(folder, 'main.js'), code)
      const { code: exit, stdout, stderr } = await run(process.execPath, ['main.js'], folder)
      if (exit !== 0) throw new Error(stderr)
      return JSON.parse(stdout)
    },
    /**
     * Type-checks files as a consumer would; answers with the compiler's complaints.
     *
     * @param beside others, which are checked as far as they are imported
     */
    async typeCheck(
      sources: ReadonlyMap<string, string>,
      beside: ReadonlyMap<string, string> = new Map(),
    ): Promise<string> {
      for (const [name, code] of [...beside, ...sources]) {
        mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
        writeFileSync(path.join(folder, name), code)
      }
      const files = [...sources.keys()]
      const compilerOptions = {
        ...{
          target: 'ES2023',
          lib: ['ES2023'],
          module: 'nodenext',
          types: ['node'],
          strict: true,
          noEmit: true,
        },
        ...{ experimentalDecorators: true, emitDecoratorMetadata: true, skipLibCheck: false },
      }
      writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
      const { stdout, stderr } = await runTool('typescript', 'tsc', ['-p', '.'], folder)
      return stdout + stderr
    },
  }
}
