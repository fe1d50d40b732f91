import path from 'node:path'
import { defineConfig } from 'vitest/config'
import { MissingServersReporter } from './test/support/missing-servers-reporter.js'

const room = (name: string) => path.join(import.meta.dirname, 'src', name, 'index.ts')
const full = process.env.TEST_FULL === '1'
const report = process.env.TEST_REPORT

export default defineConfig({
  // The example is tested on the sources, and type-checked on them (tsconfig.json); `npm run demo` takes the build.
  resolve: {
    alias: [
      { find: /^tenant-files$/, replacement: room('core') },
      { find: /^tenant-files\/(.+)$/, replacement: room('$1') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: full ? [] : ['test/**/*.full.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/end-with-runner.ts'],
    // the SDK's word about Node 20, once per worker
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    pool: 'forks',
    maxWorkers: 2,
    // For a machine that does three other things meanwhile. No test is about time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    // a report for .ci/run to count by
    reporters: ['default', new MissingServersReporter(), ...(report ? ['json'] : [])],
    outputFile: { json: report ?? '' },
  },
})
