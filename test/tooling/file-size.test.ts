import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { filesBelow, root } from './tools.js'

const LIMIT = 300

test.each(['src', 'examples'])(`no source file in %s is longer than ${LIMIT} lines`, folder => {
  const tooLong = filesBelow(folder)
    .filter(file => /\.(ts|js|mjs|cjs|html|css)$/.test(file))
    .map(file => ({ file, lines: readFileSync(path.join(root, file), 'utf8').trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > LIMIT)
  expect(tooLong).toEqual([])
})
