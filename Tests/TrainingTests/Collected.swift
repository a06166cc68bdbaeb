// What several threads have said.

import Synchronization

/// Values that any thread may add.
final class Collected<Value: Sendable>: Sendable {
  private let list = Mutex<[Value]>([])

  /// Adds a value.
  func append(_ value: Value) { list.withLock { $0.append(value) } }

  /// All values, in the order of their arrival.
  var values: [Value] { list.withLock { $0 } }
}
