import Dispatch
import Foundation
import Synchronization
import Tensors

/// The threads of one rank that compute, each with its own memory.
///
/// Which worker takes which item never shows in the result.
public final class Workers: @unchecked Sendable {
  /// The number of threads.
  public let count: Int
  private let pools: [BufferPool]

  /// Workers with empty pools.
  public init(count: Int) {
    precondition(count > 0, "There is at least one worker.")
    self.count = count
    pools = (0..<count).map { _ in BufferPool() }
  }

  /// The bytes that all pools hold from the system.
  public var allocatedBytes: Int { pools.reduce(0) { $0 + $1.allocatedBytes } }

  /// Runs `body` once on each worker and waits for all; the calling thread is one of them.
  ///
  /// Where the system grants fewer threads, some bodies run after others on one thread.
  public func run(_ body: @Sendable (_ pool: BufferPool) -> Void) {
    run { pool, _ in body(pool) }
  }

  /// Runs `body` once on each worker, and tells it whether it is on the calling thread: the one that
  /// may speak MPI.
  func run(_ body: @Sendable (_ pool: BufferPool, _ isCaller: Bool) -> Void) {
    let caller = pthread_self()
    DispatchQueue.concurrentPerform(iterations: count) {
      // int pthread_equal(pthread_t t1, pthread_t t2)
      body(pools[$0], pthread_equal(pthread_self(), caller) != 0)
    }
  }

  /// Runs `body` once for each item, on whichever worker is free.
  public func forEach(_ items: Range<Int>, _ body: @Sendable (_ item: Int, BufferPool) -> Void) {
    let next = Atomic(items.lowerBound)
    run { pool in
      while true {
        let item = next.add(1, ordering: .relaxed).oldValue
        guard item < items.upperBound else { return }
        body(item, pool)
      }
    }
  }
}
