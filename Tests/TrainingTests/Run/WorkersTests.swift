// Work that is shared by threads.

import Synchronization
import Tensors
import Testing
import Training

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
