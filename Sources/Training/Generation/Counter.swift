import Synchronization

/// A number that several workers count up together.
final class Counter: Sendable {
  private let value = Atomic(0)

  /// Adds one and returns the new number.
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}
