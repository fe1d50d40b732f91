import type { Readable } from 'node:stream'
import type { Request } from 'express'
import { StorageError } from '../core/errors.js'
import type { ResolvedRules } from '../core/rules.js'

/** What is to be done when the answer to a request is over. One set per request: a form may hold many files. */
const departures = new WeakMap<Request, Set<() => void>>()

const left = () => new StorageError('ERR_UPLOAD_ABORTED', 'The client left before the answer.')

/**
 * Watches for what Multer does not tell its engine. At a limit of Multer's own, busboy ends the stream as if the
 * file were complete. And once the last byte of the form has arrived, the request is over for Multer: a client
 * that leaves while the backend is still at work is seen by its response alone.
 *
 * @param stop ends the upload
 * @returns a function that ends the watch
 */
export function watchForEnd(
  req: Request,
  stream: Readable,
  rules: ResolvedRules,
  stop: (reason: StorageError) => void,
): () => void {
  // Every response closes at last, so the error is made only where an upload is still under way.
  const onDeparture = () => stop(left())
  const onLimit = () => {
    const own = typeof rules.maxSize === 'number' ? ` or the ${rules.maxSize} bytes allowed here` : ''
    stop(new StorageError('ERR_FILE_TOO_LARGE', `The file is larger than Multer's limit${own}.`))
  }
  const watching = departuresOf(req)
  watching.add(onDeparture)
  if (req.res?.closed) onDeparture()
  if ('truncated' in stream && stream.truncated === true) onLimit()
  else stream.once('limit', onLimit)
  return () => {
    watching.delete(onDeparture)
    stream.off('limit', onLimit)
  }
}

function departuresOf(req: Request): Set<() => void> {
  const known = departures.get(req)
  if (known !== undefined) return known
  const watching = new Set<() => void>()
  departures.set(req, watching)
  req.res?.once('close', () => {
    for (const onDeparture of watching) onDeparture()
  })
  return watching
}
