import { StorageError } from '../core/errors.js'
import { type FileRules, type ResolvedRules, resolveRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'

/** Rules by the name of the form field. */
export type FieldRules = Readonly<Record<string, FileRules>>

/**
 * The rules of each form field.
 *
 * @returns gives a field's rules; throws ERR_FIELD_UNEXPECTED for a field that takes no file
 * @throws ERR_CONFIG, ERR_DISK_UNKNOWN
 */
export function rulesByField(
  storage: Storage,
  rules: FileRules | FieldRules,
): (field: string) => ResolvedRules {
  if (isFileRules(rules)) {
    const resolved = resolveFor(storage, rules)
    return () => resolved
  }
  const fields = new Map(Object.entries(rules).map(([field, each]) => [field, resolveFor(storage, each)]))
  return field => {
    const resolved = fields.get(field)
    if (resolved !== undefined) return resolved
    throw new StorageError('ERR_FIELD_UNEXPECTED', 'This form field takes no file.')
  }
}

/** A disk that is not there is a fault of the set-up, and shows at start-up rather than at the first upload. */
function resolveFor(storage: Storage, rules: FileRules): ResolvedRules {
  const resolved = resolveRules(rules)
  storage.disk(resolved.disk)
  return resolved
}

function isFileRules(rules: FileRules | FieldRules): rules is FileRules {
  return typeof rules.folder === 'string'
}
