// What several threads have said.

import Synchronization

/// Values that any thread may add.
public final class Collected<Value: Sendable>: Sendable {
  private let list = Mutex<[Value]>([])

  /// No value yet.
  public init() {}

  /// Adds a value.
  public func append(_ value: Value) { list.withLock { $0.append(value) } }

  /// All values, in the order of their arrival.
  public var values: [Value] { list.withLock { $0 } }
}
