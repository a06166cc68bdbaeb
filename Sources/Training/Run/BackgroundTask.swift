// A piece of work on a thread of its own, which somebody asks about later.

import Foundation
import Synchronization

/// Work that goes on while its owner does something else.
package final class BackgroundTask<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let condition = DispatchSemaphore(value: 0)

  /// Begins the work; where the system grants no thread, it is done before this returns.
  package init(_ body: @escaping @Sendable () -> Value) {
    let work = Unmanaged.passRetained(
      Work { [self] in
        let result = body()
        value.withLock { $0 = result }
        condition.signal()
      })
    var thread = pthread_t()
    // int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    //                    void *(*start_routine)(void *), void *arg)
    let status = pthread_create(
      &thread, nil,
      { work in
        Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    if status == 0 {
      pthread_detach(thread)
    } else {
      work.takeRetainedValue().body()
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

/// What a thread is to do.
private final class Work: Sendable {
  let body: @Sendable () -> Void

  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
