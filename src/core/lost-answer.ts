import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendCall } from './backend-calls.js'

/** Milliseconds for finding out, after a failure, what became of an upload. */
const INQUIRY_TIME = 5_000
/** A request that was cut off may still be at work for a moment. */
const SECOND_LOOK = 500

/** A call that asks about an upload, or clears up behind it, whoever aborted. */
export type Inquiry = BackendCall & { key: string }

/** What an upload can ask and do at its key, once its last request failed. */
export interface LostUpload<Found> {
  readonly key: string
  /** Rejects where nothing is at the key. */
  look(inquiry: Inquiry): Promise<Found>
  /** Whether what was found carries the mark of this upload. */
  isOwn(found: Found): boolean
  /** False where the caller aborted, or what is there is not what was sent. */
  isWanted(found: Found): boolean
  /** Removes exactly what was found: an object that replaced it in the meantime stays. Its failure changes nothing. */
  remove(found: Found, inquiry: Inquiry): Promise<unknown>
}

export function inquiryInto(key: string): Inquiry {
  return { operation: 'put', key, within: INQUIRY_TIME }
}

/**
 * Finds out what became of an upload whose last request may have been carried out although it failed: a time-out, a
 * lost answer, a second try that met the first one's object.
 *
 * - The object carries our mark: the upload did succeed, and this is it. Where nobody wants it any more it goes.
 * - It carries another mark or none: it is somebody else's and is never touched.
 * - It is not there: the failure stands. A request that is still at work in the backend can make the object appear
 *   later. No client can prevent that; the ledger deletes a failed upload's key once more after a day.
 *
 * @throws the failure itself, unless the upload succeeded
 */
export async function recoverUpload<Found>(failure: unknown, upload: LostUpload<Found>): Promise<Found> {
  const inquiry = inquiryInto(upload.key)
  const found = await findOwn(upload, inquiry)
  if (found === undefined) throw failure
  if (upload.isWanted(found)) return found
  await upload.remove(found, inquiry).catch(() => {})
  throw failure
}

async function findOwn<Found>(upload: LostUpload<Found>, inquiry: Inquiry): Promise<Found | undefined> {
  for (const pause of [0, SECOND_LOOK]) {
    await sleep(pause)
    const found = await upload.look(inquiry).catch(() => undefined)
    if (found !== undefined) return upload.isOwn(found) ? found : undefined
  }
  return undefined
}
