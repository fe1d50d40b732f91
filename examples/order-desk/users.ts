import type { Request } from 'express'

/** A stand-in for your own sign-in: who may act for which tenants. */
const USERS: Readonly<Record<string, { tenants: readonly string[] }>> = {
  anna: { tenants: ['acme'] },
  bela: { tenants: ['globex'] },
}

export const USER_NAMES = Object.keys(USERS)

/** The signed-in user's name: a header for programs, a cookie for browsers. */
export function userOf(req: Request): string | undefined {
  const cookie = /(?:^|; )user=([a-z]+)/.exec(req.get('cookie') ?? '')
  return req.get('x-user') ?? cookie?.[1]
}

export function mayActFor(req: Request, tenant: string): boolean {
  const user = userOf(req)
  return user !== undefined && Object.hasOwn(USERS, user) && (USERS[user]?.tenants.includes(tenant) ?? false)
}
