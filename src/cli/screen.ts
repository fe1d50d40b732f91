import { type Options, Presets, SingleBar } from 'cli-progress'

/** The part of a terminal's stream that is needed here. */
export type Terminal = NodeJS.WritableStream & { isTTY?: boolean }

/** A bar that is told how far the work is. */
export interface ProgressBar {
  update(done: number, total: number, details: string): void
  stop(): void
}

/**
 * Results go to standard output, everything said on the way to standard error: `--json` can be piped while the bar
 * is seen.
 */
export class Screen {
  readonly #out: Terminal
  readonly #err: Terminal

  constructor(out: Terminal, err: Terminal) {
    this.#out = out
    this.#err = err
  }

  /** A result. */
  print(text: string): void {
    this.#out.write(`${text}\n`)
  }

  /** A result for programs: one JSON document. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2))
  }

  /** Something for the person in front of it. */
  say(text: string): void {
    this.#err.write(`${text}\n`)
  }

  /** A bar where somebody watches; nothing where the output goes to a file. */
  bar(unit: string): ProgressBar {
    if (!this.#err.isTTY) return { update() {}, stop() {} }
    const options: Options = {
      format: `{bar} {percentage}% | {value}/{total} ${unit} | {details} | {duration_formatted}, {eta_formatted} left`,
      stream: this.#err,
      hideCursor: true,
      etaBuffer: 100,
    }
    const bar = new SingleBar(options, Presets.shades_classic)
    let isStarted = false
    return {
      update(done, total, details) {
        if (!isStarted) bar.start(total, done, { details })
        isStarted = true
        bar.setTotal(total)
        bar.update(done, { details })
      },
      stop: () => bar.stop(),
    }
  }
}
