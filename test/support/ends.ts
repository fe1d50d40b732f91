/** What is to be closed or removed; hooks.ts sees to it, the last thing first. */
type End = () => unknown

const ofTest: End[] = []
const ofFile: End[] = []

/** Does something after this test, whether it passes or fails. In a hook of a whole suite: after its first test. */
export function afterThisTest(end: End): void {
  ofTest.push(end)
}

/** Does something after the tests of this file. */
export function afterThisFile(end: End): void {
  ofFile.push(end)
}

export function endTest(): Promise<void> {
  return runAll(ofTest)
}

export function endFile(): Promise<void> {
  return runAll(ofFile)
}

async function runAll(ends: End[]): Promise<void> {
  const failures: unknown[] = []
  for (const end of ends.splice(0).reverse()) {
    try {
      await end()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
