import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { tempDir } from '../../support/temp-dir.js'

/** A folder with these files. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = tempDir()
  write(folder, files)
  return folder
}

export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}

/** A small build, as Vite makes it. */
export const BUILD = {
  'index.html': '<link rel="stylesheet" href="/assets/app-BxY3k9aQ.css">',
  'robots.txt': 'User-agent: *',
  'assets/app-BxY3k9aQ.css': 'body { color: teal }',
  'assets/app-C9xZ0aBq.js': 'console.log("报告")',
  'assets/logo.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'empty.json': '',
}
