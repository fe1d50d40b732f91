import type { DataSource } from 'typeorm'
import type { StoredFile } from '../core/stored-file.js'
import { BoundTransformer } from './file-transformer.js'

/**
 * The text of a file column on its way into a statement, together with the files that it names: so the statement
 * itself says which files its rows will hold, whether hooks were called for it or not.
 */
export class FileText {
  readonly text: string
  readonly files: readonly StoredFile[]

  constructor(text: string, files: readonly StoredFile[]) {
    this.text = text
    this.files = files
  }

  /** For whoever looks at the parameters of a query builder. */
  toString(): string {
    return this.text
  }

  toJSON(): string {
    return this.text
  }
}

/** The texts of file columns among the parameters of a statement. */
export function fileTextsIn(parameters: unknown): FileText[] {
  if (!Array.isArray(parameters)) return []
  return parameters.filter(parameter => parameter instanceof FileText)
}

/** The parameters as the database takes them. */
export function withoutFileTexts(parameters: unknown): unknown {
  if (!Array.isArray(parameters)) return parameters
  return parameters.map(parameter => (parameter instanceof FileText ? parameter.text : parameter))
}

/**
 * Makes a DataSource's driver keep the files with their text. TypeORM asks the driver only for what an INSERT or
 * UPDATE writes; conditions and the detection of changes go by the transformer alone.
 */
export function keepFilesWithTexts({ driver }: DataSource): void {
  const prepare = driver.preparePersistentValue.bind(driver)
  driver.preparePersistentValue = (value, column) => {
    const prepared: unknown = prepare(value, column)
    const { transformer } = column
    if (!(transformer instanceof BoundTransformer) || typeof prepared !== 'string') return prepared
    const files = transformer.filesOf(value)
    return files.length === 0 ? prepared : new FileText(prepared, files)
  }
}
