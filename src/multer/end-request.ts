import type { Request } from 'express'

/**
 * Takes no more of a request whose sender was given up. Multer goes on only when it has read the whole body, and
 * would wait for the rest for as long as the server allows: `server.requestTimeout`, five minutes unless it is set,
 * and for ever where it is 0. So the body ends here; the connection is closed after the answer, because what may
 * still come on it would be taken for the next request.
 */
export function endRequest(req: Request): void {
  if (req.readableEnded || req.destroyed) return
  if (req.res !== undefined && !req.res.headersSent) req.res.set('Connection', 'close')
  // Otherwise node takes a body that ends before its last byte for a client that has left, and drops the connection.
  req.complete = true
  req.push(null)
}
