import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A server the keeper starts as its own child. */
export interface KeptServer {
  name: string
  command: string
  args: string[]
  env?: Record<string, string>
  uid?: number
  gid?: number
  /** Sent one after the other, three seconds apart, until the server is gone. */
  signals: NodeJS.Signals[]
  log: string
}

export interface AtEnd {
  command: string
  args: string[]
  env?: Record<string, string>
}

/** The runner's side of keeper.mjs, which says what it is for. */
export interface Keeper {
  spawn(server: KeptServer): void
  atEnd(command: AtEnd): void
  /** What the keeper reported about servers that ended; empty while all is well. */
  complaints(): string
  end(): Promise<void>
}

export function startKeeper(runDir: string): Keeper {
  const script = fileURLToPath(new URL('./keeper.mjs', import.meta.url))
  // detached: Ctrl-C in the terminal is for the runner, which then ends the keeper in order
  const child = spawn(process.execPath, [script, runDir], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  let heard = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  child.stdin.on('error', () => {}) // the keeper was ended by somebody else
  child.unref()
  for (const pipe of [child.stdin, child.stdout])
    if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()

  const send = (message: object): void => {
    child.stdin.write(`${JSON.stringify(message)}\n`)
  }
  return {
    spawn: server => send({ spawn: server }),
    atEnd: command => send({ atEnd: command }),
    complaints: () => heard.trim(),
    async end() {
      child.ref()
      child.stdin.end()
      await exit
    },
  }
}
