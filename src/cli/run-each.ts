import type { ObjectLiteral } from 'typeorm'
import type { ColumnChoice } from '../migrate/index.js'
import { EXIT, wordsFor } from './exit-code.js'
import type { GlobalOptions, Workplace } from './workplace.js'

/** What every report of a move, its plan, its way back and its pruning tells. */
interface Outcome {
  readonly failed: number
  readonly aborted?: boolean
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
 * Does the work until one of its runs ends early, and prints the reports of all. Where one of several cannot begin, or
 * breaks, that is said, and the others have their turn.
 *
 * @throws what the first of them threw, where none did anything
 */
export async function runEach<Choice extends ColumnChoice<ObjectLiteral>, Report extends Outcome>(
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
  const broken: { choice: Choice; error: unknown }[] = []
  for (const choice of choices) {
    try {
      reports.push(await run(choice))
    } catch (error) {
      broken.push({ choice, error })
    }
    if (place.signal.aborted || reports.at(-1)?.aborted) break
  }
  const [first] = broken
  if (first !== undefined && reports.length === 0) throw first.error
  for (const { choice, error } of broken)
    place.screen.say(`${choice.dataSource.getMetadata(choice.entity).name}: ${wordsFor(error)}`)
  const isEnded = place.signal.aborted || reports.some(({ aborted }) => aborted)
  if (isEnded || broken.length > 0 || reports.some(({ failed }) => failed > 0)) place.exitCode = EXIT.failed
  place.report(options, reports, reports.map(textOf).join('\n'))
  if (isEnded) place.screen.say(ended)
}
