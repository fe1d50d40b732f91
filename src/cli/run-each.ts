import { EXIT } from './exit-code.js'
import type { GlobalOptions, Workplace } from './workplace.js'

/** What every report of a move, its way back and its pruning tells. */
interface Outcome {
  readonly failed: number
  readonly aborted: boolean
}

/** Work on one set of columns after the other. */
export interface EachWork<Choice, Report> {
  readonly choices: readonly Choice[]
  run(choice: Choice): Promise<Report>
  textOf(report: Report): string
  /** What is said when it ended early. */
  readonly ended?: string
}

/**
 * Does the work until one of its runs ends early, and prints the reports of all that ran; also where the next one
 * could not.
 */
export async function runEach<Choice, Report extends Outcome>(
  place: Workplace,
  options: GlobalOptions,
  {
    choices,
    run,
    textOf,
    ended = 'Ended before all was done. Run the same command again to go on.',
  }: EachWork<Choice, Report>,
): Promise<void> {
  const reports: Report[] = []
  const show = () => place.report(options, reports, reports.map(textOf).join('\n'))
  try {
    for (const choice of choices) {
      const report = await run(choice)
      reports.push(report)
      if (report.aborted) break
    }
  } catch (error) {
    if (reports.length > 0) show()
    throw error
  }
  const isEnded = reports.some(({ aborted }) => aborted)
  if (isEnded || reports.some(({ failed }) => failed > 0)) place.exitCode = EXIT.failed
  show()
  if (isEnded) place.screen.say(ended)
}
