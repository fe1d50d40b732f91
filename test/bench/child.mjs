// The processes of a benchmark: what is measured runs apart from what measures it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Starts a program that says something when it is ready, and then answers one question at a time.
 *
 * @returns its first message, `ask` for the next ones, and `stop`
 */
export async function start(file, args, options = {}) {
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  }
  const child = fork(fileURLToPath(file), args, { env, ...options })
  const end = once(child, 'exit')
  const failure = end.then(([code]) =>
    Promise.reject(new Error(`A process of the benchmark ended with ${code}.`)),
  )
  failure.catch(() => {}) // also when it ends in order
  const heard = async () => (await Promise.race([once(child, 'message'), failure]))[0]
  const hello = await heard()
  const ask = message => {
    const answer = heard()
    child.send(message)
    return answer
  }
  const stop = async () => {
    if (child.connected) child.disconnect()
    await end
  }
  return { hello, ask, stop }
}
