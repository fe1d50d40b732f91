import path from 'node:path'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { MissingServersReporter } from './test/support/missing-servers-reporter.js'
import { shorterFiles } from './test/support/shorter-files.js'

const room = (name: string) => path.join(import.meta.dirname, 'src', name, 'index.ts')
const full = process.env.TEST_FULL === '1'
const report = process.env.TEST_REPORT

// The example is tested on the sources, and type-checked on them (tsconfig.json); `npm run demo` takes the build.
const alias = [
  { find: /^tenant-files$/, replacement: room('core') },
  { find: /^tenant-files\/(.+)$/, replacement: room('$1') },
]

const FULL_ONLY = 'test/**/*.full.test.ts'

/** What all projects of a run share. The servers are brought up once, by the root. */
const common = {
  setupFiles: ['test/support/hooks.ts'],
  // For a machine that does three other things meanwhile. No test is about time.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  teardownTimeout: 30_000,
}

/** Which part a project does of what test/support/suites.ts lets be done shorter. */
function envOf(part: 'quick' | 'whole' | 'rest') {
  // the SDK's word about Node 20, once per worker
  return { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', TEST_PART: part }
}

const main = {
  ...common,
  env: envOf(full ? 'whole' : 'quick'),
  include: ['test/**/*.test.ts'],
  exclude: full ? [] : [FULL_ONLY],
}

/** What these do to their process does not end with them: cls-hooked watches every promise, TLS believes everybody. */
const OWN_PROCESS = [
  'test/drivers/azure/entra.test.ts',
  'test/express/tenant.test.ts',
  'test/integration/parallel-uploads.test.ts',
]

/**
 * Many files share a process and what it has loaded: TypeORM and the SDKs for each took half of the time. The full suite
 * gives each file its own, and so shows that none needs what another one left.
 */
function quick(): TestProjectConfiguration[] {
  const { include, exclude, ...rest } = main
  return [
    {
      resolve: { alias },
      test: { ...rest, name: 'main', isolate: false, include, exclude: [...exclude, ...OWN_PROCESS] },
    },
    { resolve: { alias }, test: { ...rest, name: 'own process', isolate: true, include: OWN_PROCESS } },
  ]
}

const SERVERS_ONLY = [
  'test/typeorm/bad-weather.test.ts',
  'test/typeorm/postgres.test.ts',
  'test/typeorm/reaper-connections.test.ts',
]

/** Not on sql.js, which lives in memory: its database is gone when it is closed, and nobody reaps or reconciles it. */
const OUTLIVING = [
  'test/typeorm/binding.test.ts',
  'test/typeorm/reaper*.test.ts',
  'test/typeorm/reconcile/**',
  'test/typeorm/quota*.test.ts',
  'test/typeorm/transaction-ends.test.ts',
]

/**
 * The TypeORM suites once more, on another version of TypeORM or another SQLite. Two copies of TypeORM break each
 * other, so each project sees one.
 */
function again(
  name: string,
  options: { typeorm?: string; databases: string; exclude?: string[] },
): TestProjectConfiguration {
  const { typeorm, databases, exclude = [] } = options
  const other = typeorm === undefined ? [] : [{ find: /^typeorm$/, replacement: typeorm }]
  return {
    resolve: { alias: [...alias, ...other] },
    test: {
      ...common,
      name,
      env: { ...envOf('whole'), TEST_DATABASES: databases },
      include: ['test/typeorm/**/*.test.ts'],
      exclude: [
        'test/typeorm/**/*.full.test.ts',
        ...exclude,
        ...(databases.includes('postgres') ? [] : SERVERS_ONLY),
      ],
    },
  }
}

/** What the quick suite leaves out, and what it does shorter: for `.ci/run`, which has run that before. */
function rest(): TestProjectConfiguration[] {
  const shorter = { include: shorterFiles(import.meta.dirname), exclude: [FULL_ONLY], env: envOf('rest') }
  return [
    { resolve: { alias }, test: { ...main, name: 'main', include: [FULL_ONLY] } },
    { resolve: { alias }, test: { ...main, name: 'rest', ...shorter } },
  ]
}

function matrix(): TestProjectConfiguration[] {
  return [
    ...(process.env.TEST_REST === '1' ? rest() : [{ resolve: { alias }, test: { ...main, name: 'main' } }]),
    again('typeorm 0.3.26', { typeorm: 'typeorm-0.3.26', databases: 'libsql,postgres' }),
    again('typeorm 0.3', { typeorm: 'typeorm-0.3', databases: 'libsql,postgres' }),
    again('sql.js', { databases: 'sqljs', exclude: OUTLIVING }),
    ...(process.env.TEST_BETTER_SQLITE3 ? [again('better-sqlite3', { databases: 'better-sqlite3' })] : []),
  ]
}

export default defineConfig({
  resolve: { alias },
  test: {
    ...main,
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // a report for .ci/run to count by
    reporters: ['default', new MissingServersReporter(), ...(report ? ['json'] : [])],
    outputFile: { json: report ?? '' },
    ...(process.env.TEST_MATRIX === '1' ? { projects: matrix() } : full ? {} : { projects: quick() }),
  },
})
