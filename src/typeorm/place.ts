import type { DataSource } from 'typeorm'

/** The types of columns whose values go to the database in lists. */
export type ListType = 'text' | 'bigint'

/** Stands for values in a statement: gives what the database knows them by. */
export interface Place {
  /** The placeholder of one value. */
  (value: unknown): string
  /** What a column is compared by that holds one of these: `IN (?, ?)`. */
  oneOf(values: readonly unknown[]): string
  /** For the row that holds one of these in `column`, the value beside it. The keys must be different. */
  valueBy(column: string, pairs: readonly (readonly [key: unknown, value: unknown])[], type: ListType): string
  /**
   * The lines of an INSERT, `VALUES (…), (…)`.
   *
   * @param types of the values that lines differ in, by name
   * @param write writes a line: what `value` gives for a name stands for that value of the line
   */
  lines<N extends string>(
    types: Readonly<Record<N, ListType>>,
    lines: readonly Readonly<Record<NoInfer<N>, unknown>>[],
    write: (value: (name: N) => string) => string,
  ): string
}

/** Collects the values that stand in a statement in `parameters`. */
export function makePlace(driver: DataSource['driver'], parameters: unknown[]): Place {
  const place = (value: unknown) => {
    parameters.push(value)
    const index = parameters.length - 1
    return driver.createParameter(`p${index}`, index)
  }
  return Object.assign(place, driver.options.type === 'postgres' ? arrays(place) : singly(place))
}

/**
 * Lists as arrays, each of them one parameter. With a parameter for each value, PostgreSQL took twice the
 * processor time for a page of 200 rows that moves.
 */
function arrays(place: (value: unknown) => string): Pick<Place, 'oneOf' | 'valueBy' | 'lines'> {
  return {
    oneOf: values => `= ANY(${place(values)})`,
    valueBy: (column, pairs, type) => {
      const keys = place(pairs.map(([key]) => key))
      return `(${place(pairs.map(([, value]) => value))}::${type}[])[array_position(${keys}, ${column})]`
    },
    lines: (types, lines, write) => {
      const names = Object.keys(types) as (keyof typeof types)[]
      const lists = names.map(name => `${place(lines.map(line => line[name]))}::${types[name]}[]`)
      return `SELECT ${write(name => `line.${name}`)} FROM unnest(${lists.join(', ')}) AS line (${names.join(', ')})`
    },
  }
}

function singly(place: (value: unknown) => string): Pick<Place, 'oneOf' | 'valueBy' | 'lines'> {
  return {
    oneOf: values => `IN (${values.map(place).join(', ')})`,
    valueBy: (column, pairs) =>
      `CASE ${pairs.map(([key, value]) => `WHEN ${column} = ${place(key)} THEN ${place(value)}`).join(' ')} END`,
    lines: (_types, lines, write) =>
      `VALUES ${lines.map(line => `(${write(name => place(line[name]))})`).join(', ')}`,
  }
}
