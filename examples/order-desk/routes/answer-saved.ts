import type { Request, Response } from 'express'
import { getTenant } from 'tenant-files'

/** JSON for programs; back to the page for a form in a browser. */
export function answerSaved(req: Request, res: Response, row: object): void {
  if (req.accepts(['json', 'html']) === 'html') res.redirect(303, `/${getTenant()}`)
  else res.status(201).json(row)
}
