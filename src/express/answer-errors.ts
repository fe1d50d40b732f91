import type { ErrorRequestHandler } from 'express'
import { StorageError } from '../core/errors.js'

/** Multer's codes that mean "too much", not "wrong" (RFC 9110, section 15.5.14). */
const TOO_LARGE = new Set(['LIMIT_FILE_SIZE', 'LIMIT_FIELD_VALUE'])

/** What busboy, Multer's parser, says of a form that it cannot read. Its errors have no code. */
const MALFORMED = new Set([
  'Malformed content type',
  'Malformed part header',
  'Missing Content-Type',
  'Multipart: Boundary not found',
  'Unexpected end of file',
  'Unexpected end of form',
])

/**
 * Answers the errors of this library, and Multer's, as JSON: `{ "error": { "code", "message" } }` with the status
 * that fits, and a form that is cut short or malformed as `MALFORMED_FORM` (400). The messages of failures on
 * our side stay with us; every other error goes to the next handler.
 *
 * @example app.use(answerErrors())
 */
export function answerErrors(): ErrorRequestHandler {
  return function answerErrors(error, _req, res, next) {
    const answer = answerTo(error)
    if (answer === undefined || res.headersSent) return next(error)
    res
      .status(answer.status)
      .set('Cache-Control', 'no-store')
      .json({ error: { code: answer.code, message: answer.message } })
  }
}

function answerTo(error: unknown): { status: number; code: string; message: string } | undefined {
  if (StorageError.is(error)) {
    const { code, status } = error
    // "Not yours" and "not there" must look the same from outside.
    if (status === 404) return { status, code: 'ERR_FILE_NOT_FOUND', message: 'There is no such file.' }
    return {
      status,
      code,
      message: error.expose ? error.message : 'The file storage cannot do this at the moment.',
    }
  }
  if (isMulterError(error)) {
    return { status: TOO_LARGE.has(error.code) ? 413 : 400, code: error.code, message: error.message }
  }
  const fault = error instanceof Error ? malformed(error.message) : undefined
  return fault === undefined
    ? undefined
    : { status: 400, code: 'MALFORMED_FORM', message: `The form cannot be read: ${fault}.` }
}

function malformed(message: string): string | undefined {
  if (MALFORMED.has(message)) return message
  // What follows is what the client wrote.
  return message.startsWith('Unsupported content type: multipart/') ? 'Unsupported content type' : undefined
}

/** By its name: this room knows Express, not Multer. */
function isMulterError(error: unknown): error is Error & { code: string } {
  return (
    error instanceof Error &&
    error.name === 'MulterError' &&
    'code' in error &&
    typeof error.code === 'string'
  )
}
