import { readFile } from 'node:fs/promises'
import { shipped } from './shipped.js'

/** A file that ships with the example. */
export async function sample(name: string): Promise<Buffer> {
  return readFile(shipped(`files/${name}`))
}

/** Somebody with a browser: signed in or not, and nothing else up their sleeve. */
export class Visitor {
  readonly #address: string
  readonly #headers: Record<string, string>

  constructor(address: string, user?: string) {
    this.#address = address
    this.#headers = user === undefined ? {} : { 'x-user': user }
  }

  async upload(path: string, bytes: Buffer, name: string, method = 'POST'): Promise<Response> {
    const body = new FormData()
    body.set('file', new Blob([Uint8Array.from(bytes)]), name)
    return fetch(this.#address + path, { method, body, headers: this.#headers })
  }

  /** @param url a path, or a whole address as S3 gives it; that one gets no headers of ours */
  async get(url: string): Promise<Response> {
    if (!url.startsWith('/')) return fetch(url)
    return fetch(this.#address + url, { headers: this.#headers })
  }
}
