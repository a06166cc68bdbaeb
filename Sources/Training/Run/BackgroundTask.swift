// A piece of work on a thread of its own, which somebody asks about later.

import Foundation
import Synchronization

/// Work that goes on while its owner does something else.
package final class BackgroundTask<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let condition = DispatchSemaphore(value: 0)

  /// Begins the work.
  package init(_ body: @escaping @Sendable () -> Value) {
    Thread.detachNewThread { [self] in
      let result = body()
      value.withLock { $0 = result }
      condition.signal()
    }
  }

  /// Whether the work is done.
  package var isDone: Bool { value.withLock { $0 != nil } }

  /// Waits until the work is done.
  ///
  /// - Returns: Its result.
  package func wait() -> Value {
    condition.wait()
    // For whoever asks again.
    condition.signal()
    return value.withLock { $0! }
  }
}
