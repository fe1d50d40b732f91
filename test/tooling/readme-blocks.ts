/**
 * The files that a document shows. Each `ts` block whose first line names a file (`// storage.ts`, words may
 * follow the name) is cut at every such line; a block without a name on its first line is left out.
 */
export function filesShown(markdown: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const [, block = ''] of markdown.matchAll(/^```(?:ts|typescript)\b.*\n([\s\S]*?)^```\s*$/gm)) {
    if (!nameOf(block)) continue
    for (const part of block.split(/^(?=\/\/ [\w./-]+\.ts\b)/m)) {
      const name = nameOf(part)
      if (!name) continue
      if (files.has(name)) throw new Error(`two pieces of code are called ${name}`)
      files.set(name, part)
    }
  }
  return files
}

function nameOf(code: string) {
  return /^\/\/ ([\w./-]+\.ts)\b/.exec(code)?.[1]
}
