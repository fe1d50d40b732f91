import { emitWarning } from 'node:process'
import { publish } from './events.js'

/**
 * Says once at start-up what works but is worth a second look: as an event for machines, and as a warning of
 * node for the person at the terminal (a warning that only subscribers see is seen by nobody).
 */
export function warn(code: string, message: string): void {
  publish('warning', { code, message })
  emitWarning(message, { type: 'TenantFilesWarning', code })
}
