/** What is written down before the first byte of a new object goes to its backend. */
export interface StageEntry {
  readonly backend: string
  readonly objectKey: string
  readonly disk: string
  readonly tenant: string | null
  /** The most bytes that the object can have, for a quota to set aside; its size, where that is known. */
  readonly atMost?: number
}

/** One upload's line in the ledger, from before its first byte until it is stored or given up. */
export interface StagedUpload {
  /** Notes a multipart upload, so that it can be aborted should this process die. */
  recordMultipart(uploadId: string): Promise<void>
  /**
   * Says that the object is complete.
   *
   * @param size in bytes
   * @throws ERR_LEASE_LOST when the line is gone: the object is nobody's, the caller deletes it
   */
  confirm(size: number): Promise<void>
  /** Gives the upload up; to be called once nothing of the object is left. */
  abandon(): Promise<void>
  /** Gives up waiting only: the line stays, and its lease runs out. */
  leave(): void
}

/**
 * Keeps storage and database true to each other: bytes that no committed row points to are known here, and go.
 * The TypeORM room brings the real one; claims are part of the entity's own transaction there.
 */
export interface Ledger {
  /** Writes the line of a new upload; resolves when it is durable. @throws ERR_QUOTA_EXCEEDED, ERR_QUOTA_UNKNOWN */
  stage(entry: StageEntry): Promise<StagedUpload>
  /**
   * Removes an object that was uploaded and never claimed by a row. One that is claimed stays.
   *
   * @param remove deletes the object; called only when it is certain that nobody can claim it any more
   */
  discard(backend: string, objectKey: string, remove: () => Promise<void>): Promise<void>
}

const done = Promise.resolve()

const unledgered: StagedUpload = {
  recordMultipart: () => done,
  confirm: () => done,
  abandon: () => done,
  leave: () => {},
}

const staged = Promise.resolve(unledgered)

/** For applications without an ORM: nothing is written down, so a crash may leave bytes behind. */
export const nullLedger: Ledger = {
  stage: () => staged,
  discard: async (_backend, _objectKey, remove) => remove(),
}
