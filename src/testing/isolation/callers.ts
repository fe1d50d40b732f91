import type { IsolationCaller } from './options.js'

/** Everybody who is not the owner: the other tenant, nobody, and ids that are taken for the owner's too easily. */
export function strangers(owner: string, other: string): IsolationCaller[] {
  const real = lookAlikes(owner).filter(id => id !== owner && id !== other)
  return [
    { memberOf: other, actsFor: other },
    { memberOf: other, actsFor: owner },
    { memberOf: other, actsFor: null },
    { memberOf: null, actsFor: owner },
    { memberOf: null, actsFor: null },
    // They may well exist, and have members of their own.
    ...real.map(id => ({ memberOf: id, actsFor: id })),
    ...[...real, ...tricks(owner, other)].map(id => ({ memberOf: other, actsFor: id })),
  ]
}

function lookAlikes(owner: string): string[] {
  const [first = ''] = owner
  const cases = [owner.toUpperCase(), owner.toLowerCase(), first.toUpperCase() + owner.slice(1)]
  return [...new Set([...cases, `${owner}-corp`, `${owner}1`, owner.slice(0, -1) || 'a'])]
}

/** Nobody can be called so; each would be the owner to some decoder, trimmer, normalizer or path. */
function tricks(owner: string, other: string): string[] {
  const encoded = `%${owner.charCodeAt(0).toString(16)}${owner.slice(1)}`
  const fullWidth = owner.replace(/[a-z]/gi, letter => String.fromCharCode(letter.charCodeAt(0) + 0xfee0))
  return [
    `${owner}/../${other}`,
    `${other}/../${owner}`,
    `${other}%2f..%2f${owner}`,
    `${owner}%2f..`,
    `${other}\\..\\${owner}`,
    `\u2024\u2024/${owner}`,
    `\uff0e\uff0e/${owner}`,
    encoded,
    fullWidth,
    `${owner}%00`,
    `${owner}\u0000`,
    `${owner} `,
    `${owner}.`,
    `${owner}/`,
    `${other},${owner}`,
    `_${owner}`,
    'shared',
    '..',
    '.',
    '',
    ' ',
    'null',
    '__proto__',
    owner.padEnd(300, 'x'),
  ]
}

/** A caller in words. */
export function called({ memberOf, actsFor }: IsolationCaller): string {
  const who = memberOf === null ? 'nobody' : `a member of ${quoted(memberOf)}`
  if (actsFor === memberOf) return who
  return actsFor === null ? `${who} who names no tenant` : `${who} who asks for ${quoted(actsFor)}`
}

function quoted(id: string): string {
  return JSON.stringify(id.length > 80 ? `${id.slice(0, 20)}… (${id.length} characters)` : id)
}
