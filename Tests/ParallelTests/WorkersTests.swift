// Work that is shared by threads.

import Foundation
import Parallel
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct WorkersTests {
  @Test(arguments: [1, 2, 3, 16], [0..<0, 0..<1, 5..<6, -3..<4, 100..<1100])
  func eachItemIsVisitedOnce(count: Int, items: Range<Int>) {
    let visited = Collected<Int>()
    Workers(count: count).forEach(items) { item, _ in visited.append(item) }
    #expect(visited.values.sorted() == Array(items))
  }

  @Test(arguments: [1, 2, 5])
  func eachWorkerRunsOnceWithItsOwnMemory(count: Int) {
    let workers = Workers(count: count)
    for _ in 0..<20 {
      let pools = Collected<ObjectIdentifier>()
      workers.run { pool in
        _ = Tensor(Shape(1, 8, 8, 4), in: pool)
        pools.append(ObjectIdentifier(pool))
      }
      #expect(pools.values.count == count && Set(pools.values).count == count)
    }
    // The pools live on: twenty rounds need no more memory than one.
    #expect(workers.allocatedBytes == count * 1024)
  }

  /// The calling thread, once it is done, has time for other things while others work.
  @Test func waitingIsNotIdle() {
    let calls = Collected<Bool>()
    let caller = Collected<Bool>()
    let thread = pthread_self()
    // int pthread_equal(pthread_t t1, pthread_t t2)
    func isCaller() -> Bool { pthread_equal(thread, pthread_self()) != 0 }
    nonisolated(unsafe) let isOnCaller = isCaller
    Workers(count: 2).run(
      { _, onCaller in
        caller.append(onCaller)
        if onCaller { return }
        usleep(20_000)
      }, meanwhile: { calls.append(isOnCaller()) })
    #expect(calls.values.allSatisfy { $0 })
    // One thread may have run both.
    #expect(caller.values == [true, true] || caller.values.contains(true) && !calls.values.isEmpty)
  }

  /// A pool is never in two hands at once.
  @Test func itemsDoNotShareAPoolAtOnce() {
    let busy = Mutex<Set<ObjectIdentifier>>([])
    Workers(count: 4).forEach(0..<2000) { _, pool in
      let isFree = busy.withLock { $0.insert(ObjectIdentifier(pool)).inserted }
      #expect(isFree)
      busy.withLock { _ = $0.remove(ObjectIdentifier(pool)) }
    }
  }
}
