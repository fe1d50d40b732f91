import type { Request } from 'express'
import { publish } from '../core/events.js'
import { nullLedger } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import { isStoredFile, type StoredFile } from '../core/stored-file.js'
import { runWithTenant } from '../core/tenant.js'
import { discardFile } from '../upload/index.js'
import type { TenantStorageOptions } from './options.js'
import { tenantOf } from './request-tenant.js'

/**
 * Removes the files of requests that were answered with a failure.
 *
 * Only an answer says that a handler is done with its files. One whose client has left goes on, and may still save;
 * one that answered with success may have left the saving to a job. Those files wait for their lease. And only a
 * ledger says what is saved: without one, a handler that failed after it wrote a key down would lose the bytes.
 */
export class FailedAnswers {
  readonly #storage: Storage
  readonly #discard: NonNullable<TenantStorageOptions['discard']>
  readonly #files = new WeakMap<Request, Set<StoredFile>>()

  constructor(storage: Storage, discard: NonNullable<TenantStorageOptions['discard']>) {
    this.#storage = storage
    this.#discard = discard
  }

  /** Watches for the answer to the request that this file came with. */
  watch(req: Request, file: StoredFile): void {
    const { res } = req
    if (this.#discard === 'none' || res === undefined) return
    const known = this.#files.get(req)
    known?.add(file)
    if (known !== undefined) return
    const files = new Set([file])
    this.#files.set(req, files)
    res.once('close', () => {
      if (res.writableEnded && res.statusCode >= 400) void this.#removeAll(req, files)
    })
  }

  /** @throws what keeps the file from being removed, which is also told as the event `leftover` */
  async remove(req: Request, file: StoredFile): Promise<void> {
    this.#files.get(req)?.delete(file)
    try {
      await runWithTenant(tenantOf(req), () => discardFile(this.#storage, file))
    } catch (error) {
      if (!isStoredFile(file)) throw error
      const key = this.#storage.disk(file.disk).objectKey(file)
      publish('leftover', { backend: file.backend, key, error })
      throw error
    }
  }

  async #removeAll(req: Request, files: ReadonlySet<StoredFile>): Promise<void> {
    // One after the other: nobody waits for it. Each failure has been told.
    for (const file of files) if (this.#isOurs(file)) await this.remove(req, file).catch(() => {})
  }

  #isOurs({ tenant }: StoredFile): boolean {
    return this.#discard === 'all' || this.#storage.ledgers.of(tenant) !== nullLedger
  }
}
