// The threads of a rank.

import Dispatch
import Foundation
import Synchronization
import Tensors

/// The threads of one rank that compute, each with its own memory.
///
/// Which worker takes which item never shows in the result.
public final class Workers: @unchecked Sendable {
  /// The largest number of threads that a user may ask for.
  public static let largestCount = 4096

  /// The number of threads.
  public let count: Int
  private let pools: [BufferPool]
  private let helpers = Helpers()

  /// Workers with empty pools.
  public init(count: Int) {
    precondition(count > 0, "There is at least one worker.")
    self.count = count
    pools = (0..<count).map { [helpers] _ in BufferPool(helpers: helpers) }
  }

  /// The bytes that all pools hold from the system.
  public var allocatedBytes: Int { pools.reduce(0) { $0 + $1.allocatedBytes } }

  /// The most bytes that their buffers have had of the system, each pool's by itself.
  package var peakBytes: Int { pools.reduce(0) { $0 + $1.peakBytes } }

  /// Runs `body` once on each worker and waits for all; the calling thread is one of them.
  ///
  /// A worker that is done helps the others with their loops. Where the system grants fewer
  /// threads, some bodies run after others on one thread.
  public func run(_ body: @Sendable (_ pool: BufferPool) -> Void) {
    run({ pool, _ in body(pool) }, meanwhile: {})
  }

  /// Runs `body` once on each worker, and tells it whether it is on the calling thread: the one
  /// that may speak MPI.
  ///
  /// - Parameter meanwhile: Called now and then on the calling thread once its body is done, while
  ///   others still run.
  package func run(
    _ body: @Sendable (_ pool: BufferPool, _ isCaller: Bool) -> Void,
    meanwhile: @Sendable () -> Void
  ) {
    let caller = pthread_self()
    let running = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: count) {
      // int pthread_equal(pthread_t t1, pthread_t t2)
      let isCaller = pthread_equal(pthread_self(), caller) != 0
      running.add(1, ordering: .relaxed)
      body(pools[$0], isCaller)
      running.subtract(1, ordering: .releasing)
      // A body that has not begun may need this very thread: only running ones are waited for.
      helpers.help(while: { running.load(ordering: .acquiring) > 0 }) {
        if isCaller { meanwhile() }
      }
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
