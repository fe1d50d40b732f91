import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { tempDir } from './temp-dir.js'

const run = promisify(execFile)

export interface CurlResponse {
  status: number
  /** Lower-case names; a repeated header's values are joined by a comma. */
  headers: Record<string, string>
  body: Buffer
}

/**
 * Fetches a URL as a stranger would: by the real `curl`, with no header of ours, no cookie and no knowledge of how
 * the URL came to be. Where there is no curl, by Node's fetch. Redirects are not followed.
 */
export async function curl(url: string, options: { method?: string } = {}): Promise<CurlResponse> {
  try {
    return await byCurl(url, options.method ?? 'GET')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return byFetch(url, options.method ?? 'GET')
    }
    throw error
  }
}

async function byCurl(url: string, method: string): Promise<CurlResponse> {
  const head = path.join(tempDir(), 'head')
  // --disable comes first: it keeps the ~/.curlrc of this machine out
  const args = ['--disable', '--silent', '--show-error', '--globoff', '--path-as-is', '--noproxy', '*']
  args.push('--max-time', '20', '--dump-header', head)
  args.push(...(method === 'HEAD' ? ['--head'] : ['--request', method]), '--url', url)
  const { stdout } = await run('curl', args, { encoding: 'buffer', maxBuffer: 256 * 1024 * 1024 })
  const [statusLine = '', ...lines] = readFileSync(head, 'latin1').trimEnd().split('\r\n')
  const headers = new Headers()
  for (const line of lines)
    headers.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim())
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headers),
    // with --head, curl prints the header lines in the body's place
    body: method === 'HEAD' ? Buffer.alloc(0) : stdout,
  }
}

async function byFetch(url: string, method: string): Promise<CurlResponse> {
  const response = await fetch(url, { method, redirect: 'manual', signal: AbortSignal.timeout(20_000) })
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: Buffer.from(await response.arrayBuffer()),
  }
}
