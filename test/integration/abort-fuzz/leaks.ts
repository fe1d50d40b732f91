import { Socket } from 'node:net'

/** Connections of this process whose other end is at that port. */
export function socketsTo(port: number): Socket[] {
  return openSockets().filter(({ remotePort }) => remotePort === port)
}

/** All connections of this process, its servers' included. */
export function openSockets(): Socket[] {
  // Not documented, but there is no other way to see connections that somebody forgot.
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): unknown[] }
  return _getActiveHandles
    .call(process)
    .filter((handle): handle is Socket => handle instanceof Socket && handle.remotePort !== undefined)
}

/** How many listeners of all kinds there are. */
export function listenersOf(emitter: NodeJS.EventEmitter): number {
  return emitter.eventNames().reduce((sum, event) => sum + emitter.listenerCount(event), 0)
}

/** Timers that keep the process alive. */
export function openTimers(): number {
  return process.getActiveResourcesInfo().filter(type => type === 'Timeout').length
}
