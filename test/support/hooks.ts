import { afterAll, afterEach } from 'vitest'
import './end-with-runner.js'
import { endFile, endTest } from './ends.js'

// In front of each test file, where the helpers' own hooks would be there for the first file of a worker only.
afterEach(endTest)
afterAll(endFile)
