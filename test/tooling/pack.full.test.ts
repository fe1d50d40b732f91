import { symlinkSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { root, run, tempFolder } from './tools.js'

it('npm pack builds first, so that a package from a fresh clone can be imported', {
  timeout: 300_000,
}, async () => {
  const { folder, remove } = tempFolder('clone')
  try {
    const files = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts', 'src']
    const copied = await run('cp', ['-r', ...files.map(file => path.join(root, file)), folder])
    expect(copied.code, copied.stderr).toBe(0)
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'junction')
    const packed = await run('npm', ['pack', '--json', '--dry-run'], folder)
    expect(packed.code, packed.stderr).toBe(0)
    const [{ files: inside }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }]
    expect(inside.map(file => file.path)).toEqual(
      expect.arrayContaining(['dist/core/index.js', 'dist/core/index.d.ts', 'dist/cli/main.js']),
    )
  } finally {
    remove()
  }
})
