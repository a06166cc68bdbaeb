// The one error type of this module.

/// Why weights from elsewhere make no network, as one line.
public struct LayersError: Error, Equatable, CustomStringConvertible {
  /// What is wrong, and what to do.
  public let description: String

  init(_ description: String) { self.description = description }
}
