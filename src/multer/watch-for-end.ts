import { setMaxListeners } from 'node:events'
import type { Readable } from 'node:stream'
import type { Request } from 'express'
import { StorageError } from '../core/errors.js'
import type { ResolvedRules } from '../core/rules.js'

// One per request: a form may hold more files than a response should have listeners.
const departures = new WeakMap<Request, AbortSignal>()

const left = () => new StorageError('ERR_UPLOAD_ABORTED', 'The client left before the answer.')

/**
 * Watches for what Multer does not tell its engine. At a limit of Multer's own, busboy ends the stream as if the
 * file were complete. And once the last byte of the form has arrived, the request is over for Multer: a client
 * that leaves while the backend is still at work is seen by its response alone.
 *
 * @returns a signal that ends the upload, and a function that ends the watch
 */
export function watchForEnd(
  req: Request,
  stream: Readable,
  rules: ResolvedRules,
): { signal: AbortSignal; release: () => void } {
  const abort = new AbortController()
  const departure = departureOf(req)
  const onDeparture = () => abort.abort(left())
  const onLimit = () => {
    const own = typeof rules.maxSize === 'number' ? ` or the ${rules.maxSize} bytes allowed here` : ''
    const message = `The file is larger than Multer's limit${own}.`
    abort.abort(new StorageError('ERR_FILE_TOO_LARGE', message))
  }
  if (departure.aborted) onDeparture()
  else departure.addEventListener('abort', onDeparture, { once: true })
  if ('truncated' in stream && stream.truncated === true) onLimit()
  else stream.once('limit', onLimit)
  const release = () => {
    departure.removeEventListener('abort', onDeparture)
    stream.off('limit', onLimit)
  }
  return { signal: abort.signal, release }
}

function departureOf(req: Request): AbortSignal {
  const known = departures.get(req)
  if (known !== undefined) return known
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  // Every response closes at last, so the error is made only where an upload is still under way.
  const leave = () => abort.abort('left')
  if (req.res?.closed) leave()
  else req.res?.once('close', leave)
  departures.set(req, abort.signal)
  return abort.signal
}
