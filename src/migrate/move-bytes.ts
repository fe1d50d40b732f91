import { hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { takeBody } from '../core/body.js'
import type { Disk } from '../core/disk.js'
import type { PutBody, PutOptions } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { FillingBody } from '../core/filling-body.js'
import type { ObjectHeaders } from '../core/object-headers.js'
import type { FileAddress, StoredFile, StoredFileData } from '../core/stored-file.js'
import { SNIFF_BYTES, sniffType } from '../upload/sniff.js'
import { differenceOf, factsAt, knows } from './facts.js'
import { findAtTarget } from './find-at-target.js'
import type { MoveContext } from './move-context.js'
import { movedHeaders } from './moved-headers.js'
import { type Facts, Tap, TappedBody } from './tap.js'

/** Bytes; smaller files are in memory as a whole while they move. */
export const SMALL = 1024 * 1024

/**
 * Copies the bytes of one file to another place, create-only, and compares what passes by with what the row says. A
 * file whose row says nothing (an old path) gets size, type and checksum from its bytes. Where the old place has not the
 * bytes that the row tells of, and the new one has, they are taken from there.
 *
 * @returns what the row is to say of the file at its new place
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_CHANGED for bytes that are not those of the row, ERR_FILE_EXISTS where other
 *   bytes lie at the new place, and the backends' errors
 */
export async function moveBytes(
  file: StoredFile,
  target: FileAddress,
  context: MoveContext,
): Promise<StoredFileData> {
  try {
    return await copyBytes(file, target, context)
  } catch (error) {
    if (!isOfSource(error)) throw error
    const there = await findAtTarget(file, target, context)
    if (there === undefined) throw error
    return there
  }
}

function isOfSource(error: unknown): boolean {
  return StorageError.is(error, 'ERR_FILE_NOT_FOUND') || StorageError.is(error, 'ERR_FILE_CHANGED')
}

async function copyBytes(
  file: StoredFile,
  target: FileAddress,
  context: MoveContext,
): Promise<StoredFileData> {
  const { signal, storage, trace } = context
  const disk = storage.disk(file.disk)
  const { body, info } = await disk.get(file, { signal })
  takeBody(body) // it may fail before the new place has begun to read it
  try {
    const isKnown = knows(file)
    const early = isKnown ? differenceOf(file, { size: info.size, sha256: null }) : undefined
    if (early !== undefined) throw changed(early)
    const source = info.size <= SMALL ? await whole(body, info.size, context) : body
    const type = isKnown ? file.type : await typeOf(disk, file, source, context)
    const { sent, factsOfSent } = tapped(source, context)
    // What is in memory is compared before it is sent, so that no copy with other bytes is ever made of it.
    const wrongAtHand = isKnown && !(sent instanceof Readable) ? differenceOf(file, factsOfSent()) : undefined
    if (wrongAtHand !== undefined) throw changed(wrongAtHand)
    const headers = movedHeaders(disk, { type, name: file.name }, info)
    trace.begin()
    const stored = await putNew(disk, target, sent, putOptions(headers, info.size, signal))
    if (stored === undefined) trace.refused()
    // What lies there already may be what an earlier try left.
    const facts = stored === undefined ? await factsAt(disk, file, context) : factsOfSent()
    const wrong = await whatIsWrong({ file, target, facts, isOurs: stored !== undefined }, disk, context)
    if (wrong !== undefined) {
      // We made it just now, and it would be in the way of the next try. Where this fails, its lease ends it. A copy that
      // could not be looked at stays: whoever has taken the row up while we slept may have switched it to that.
      if (stored !== undefined) await disk.delete(target, { signal }).catch(() => {})
      throw wrong
    }
    return movedFile(file, target, { facts, type, version: stored?.version })
  } finally {
    body.destroy()
  }
}

/** Written out, as the members of a row below: to spread an object takes as long as to sign a request. */
function putOptions(
  { contentType, contentDisposition, cacheControl }: ObjectHeaders,
  size: number,
  signal: AbortSignal | undefined,
): PutOptions {
  return { contentType, contentDisposition, cacheControl, size, signal, ifNoneMatch: '*' }
}

/** What the row is to say of the file. */
function movedFile(
  file: StoredFile,
  { disk, backend, tenant, key }: FileAddress,
  { facts, type, version }: { facts: Facts; type: string; version: string | undefined },
): StoredFileData {
  const { name, encoding, storedSize, scan } = file
  const size = knows(file) ? file.size : facts.size
  const sha256 = file.sha256 ?? (encoding === undefined ? facts.sha256 : null)
  return { disk, backend, tenant, key, name, size, type, sha256, version, encoding, storedSize, scan }
}

/** A small body. Where the driver has read it already, it is taken as it lies there. */
async function whole(body: Readable, size: number, context: MoveContext): Promise<Buffer> {
  const { rate, signal } = context
  const there: unknown = body.readableLength === size ? body.read() : null
  if (there instanceof Buffer) {
    await rate.take(there.length, signal)
    return there
  }
  if (body instanceof FillingBody) return filled(body, size, context)
  const chunks: Buffer[] = []
  for await (const chunk of body) {
    await rate.take(chunk.length, signal)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function filled(body: FillingBody, size: number, { rate, signal }: MoveContext): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size)
  for (let done = 0; body.left > 0; ) done += await body.fill(bytes.subarray(done))
  await rate.take(size, signal)
  return bytes
}

async function typeOf(
  disk: Disk,
  file: StoredFile,
  source: Buffer | Readable,
  { signal }: MoveContext,
): Promise<string> {
  if (!(source instanceof Readable)) return sniffType(source.subarray(0, SNIFF_BYTES), file.name)
  const { body } = await disk.get(file, { range: { start: 0, end: SNIFF_BYTES - 1 }, signal })
  return sniffType(Buffer.concat(await body.toArray()), file.name)
}

/** @returns undefined where something lies at the target already */
async function putNew(
  disk: Disk,
  target: FileAddress,
  body: PutBody,
  options: PutOptions,
): Promise<{ version?: string } | undefined> {
  try {
    return await disk.put(target, body, options)
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_EXISTS')) return undefined
    // Nobody aborted it and reading has not failed: the body was not as long as was said.
    if (StorageError.is(error, 'ERR_UPLOAD_ABORTED') && !options.signal?.aborted)
      throw changed('they ended early')
    throw error
  }
}

/** What is to be sent, and what was found in it when that is done. */
function tapped(
  source: Buffer | Readable,
  context: MoveContext,
): { sent: PutBody; factsOfSent: () => Facts } {
  if (source instanceof Readable) {
    const tap = new Tap(context)
    const sent = source instanceof FillingBody ? new TappedBody(source, tap) : tap.through(source)
    return { sent, factsOfSent: () => tap.facts() }
  }
  const sha256 = context.verify === 'size' ? null : hash('sha256', source)
  return { sent: source, factsOfSent: () => ({ size: source.length, sha256 }) }
}

/** Why a copy must not be what the row points to; undefined where all is well. */
async function whatIsWrong(
  { file, target, facts, isOurs }: { file: StoredFile; target: FileAddress; facts: Facts; isOurs: boolean },
  disk: Disk,
  context: MoveContext,
): Promise<StorageError | undefined> {
  const difference = knows(file) ? differenceOf(file, facts) : undefined
  if (difference !== undefined) return changed(difference)
  if (isOurs && context.verify !== 'read-back') return undefined
  const copy = await factsAt(disk, target, context)
  if (copy.size === facts.size && copy.sha256 === facts.sha256) return undefined
  if (isOurs) return damaged()
  context.trace.sawStranger()
  return stranger()
}

function stranger(): StorageError {
  return new StorageError(
    'ERR_FILE_EXISTS',
    'Other bytes lie at the new place of this file. Nothing was overwritten.',
  )
}

function damaged(): StorageError {
  return new StorageError('ERR_BACKEND', 'The copy holds other bytes than were sent to it.')
}

function changed(what: string): StorageError {
  return new StorageError(
    'ERR_FILE_CHANGED',
    `The bytes of this file are not those that its row tells of: ${what}.`,
  )
}
