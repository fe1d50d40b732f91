import type { Reporter, TestModule, Vitest } from 'vitest/node'
import { type MissingServers, NEEDS } from './provided.js'

const MISSING = { s3: 'No S3 server', postgres: 'No PostgreSQL', azure: 'No azurite' } as const

/** Says at the very end of the output which suites did not run for want of a server, and why. */
export class MissingServersReporter implements Reporter {
  private vitest: Vitest | undefined
  private message = ''

  onInit(vitest: Vitest): void {
    this.vitest = vitest
    // after everything vitest prints itself
    process.once('exit', () => {
      if (this.message) process.stderr.write(this.message)
    })
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const context: { missingServers?: MissingServers } =
      this.vitest?.getRootProject().getProvidedContext() ?? {}
    const missing = context.missingServers ?? {}
    const lines: string[] = []
    for (const server of ['s3', 'postgres', 'azure'] as const) {
      const why = missing[server]
      if (why === undefined) continue
      const suites = modules.flatMap(module =>
        [...module.children.allSuites()]
          .filter(suite => suite.name.endsWith(NEEDS[server]))
          .map(suite => `    ${module.relativeModuleId}: ${suite.fullName}`),
      )
      lines.push(`  ${MISSING[server]}: ${why.replaceAll('\n', '\n    ')}`)
      lines.push(
        suites.length > 0 ? '  These suites did NOT run:' : '  (no suite of this run needed it)',
        ...suites,
      )
    }
    this.message = lines.length > 0 ? `\n${'!'.repeat(80)}\n${lines.join('\n')}\n${'!'.repeat(80)}\n` : ''
  }
}
