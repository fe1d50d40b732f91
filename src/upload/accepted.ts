import { StorageError } from '../core/errors.js'
import { isMediaType } from '../core/media-type.js'
import { acceptsType, type ResolvedRules } from '../core/rules.js'
import { claimedEssence, contradicts, typeOfName } from './claims.js'
import type { Content } from './content.js'

/** What a sender says of a file. */
export interface Claims {
  readonly name: string
  readonly type?: string
}

/**
 * Whether a file may be stored.
 *
 * @param type found in the bytes
 * @param content whose first bytes, or all of a short one, have arrived
 * @throws ERR_FILE_EMPTY, ERR_FILE_TYPE
 */
export function assertAccepted(
  rules: ResolvedRules,
  type: string,
  { size }: Pick<Content, 'size'>,
  claims: Claims,
): void {
  if (size === 0 && rules.empty === 'refuse') throw new StorageError('ERR_FILE_EMPTY', 'The file is empty.')
  if (!acceptsType(rules, type)) throw refused(type, claims, `Accepted here: ${rules.accept.join(', ')}.`)
  // Of no bytes there is nothing to contradict.
  if (rules.mismatch === 'refuse' && size > 0 && contradicts(type, claims))
    throw refused(type, claims, 'Name and type of a file must fit its contents.')
}

function refused(type: string, claims: Claims, why: string): StorageError {
  const byName = typeOfName(claims.name)
  const claimed = claimedEssence(claims.type)
  const said = [
    ...(byName === undefined ? [] : [`by its name ${byName}`]),
    ...(claimed === undefined || !isMediaType(claimed) ? [] : [`sent as ${claimed}`]),
  ]
  const claim = said.length === 0 || (byName === type && said.length === 1) ? '' : ` (${said.join(', ')})`
  return new StorageError('ERR_FILE_TYPE', `By its bytes this is a file of type ${type}${claim}. ${why}`)
}
