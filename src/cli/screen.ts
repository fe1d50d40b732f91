import { type Options, Presets, SingleBar } from 'cli-progress'

/** The part of a terminal's stream that is needed here. */
export type Terminal = NodeJS.WritableStream & { isTTY?: boolean }

/** A bar that is told how far the work is. */
export interface ProgressBar {
  /** @param total undefined while nobody knows it */
  update(done: number, total: number | undefined, details: string): void
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

  /** Whether somebody sees a bar. */
  get isWatched(): boolean {
    return this.#err.isTTY === true
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

  /** Resolves when everything has left this process, or nobody reads it any more. */
  async flush(): Promise<void> {
    for (const stream of [this.#out, this.#err])
      await new Promise<void>(done => stream.write('', () => done()))
  }

  /** A bar where somebody watches; nothing where the output goes to a file. */
  bar(unit: string): ProgressBar {
    if (!this.isWatched) return { update() {}, stop() {} }
    const known = this.#line(
      `{bar} {percentage}% | {value}/{total} ${unit} | {details} | {duration_formatted}, {eta_formatted} left`,
    )
    const unknown = this.#line(`{value} ${unit} | {details} | {duration_formatted}`)
    return {
      update(done, total, details) {
        const [shown, other] = total === undefined ? [unknown, known] : [known, unknown]
        other.stop()
        if (shown.isActive) shown.setTotal(total ?? 0)
        else shown.start(total ?? 0, done, { details })
        shown.update(done, { details })
      },
      stop() {
        known.stop()
        unknown.stop()
      },
    }
  }

  /** Not to meddle with Ctrl-C, cli-progress gets no `gracefulExit`; so the cursor stays visible too. */
  #line(format: string): SingleBar {
    const options: Options = { format, stream: this.#err, gracefulExit: false, etaBuffer: 100 }
    return new SingleBar(options, Presets.shades_classic)
  }
}
