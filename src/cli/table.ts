/** A cell: text stands to the left, a number to the right; null is nothing. */
export type Cell = string | number | null

/** Rows below a headline, in columns. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = [head, ...rows.map(row => row.map(textOf))]
  const widths = head.map((_, column) =>
    texts.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0),
  )
  const isNumber = head.map((_, column) => rows.some(row => typeof row[column] === 'number'))
  const lineOf = (row: readonly string[]) =>
    row.map((text, column) => {
      const width = widths[column] ?? 0
      return isNumber[column] ? text.padStart(width) : text.padEnd(width)
    })
  return texts.map(row => lineOf(row).join('  ').trimEnd()).join('\n')
}

function textOf(cell: Cell): string {
  if (cell === null) return '-'
  return typeof cell === 'number' ? cell.toLocaleString('en') : cell
}
