/**
 * Works through items, so many at a time. After a failure no other item is begun; it comes out when what was under
 * way has ended, so that nothing goes on behind the caller's back.
 */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  let failed = false
  const lane = async () => {
    try {
      for (const item of queue) {
        await work(item)
        if (failed) return
      }
    } catch (error) {
      failed = true
      throw error
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane))
  const failure = ended.find(each => each.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}
