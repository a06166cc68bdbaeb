// What is wrong with a configuration.

/// A configuration that cannot be used.
public struct ConfigurationError: Error, CustomStringConvertible {
  /// Where the fault is: "configs/digits.yaml:12" or "--set steps=x".
  public let source: String
  /// What is wrong there and what to do.
  public let reason: String

  /// An error of a source, with a sentence that says what is wrong and what to do.
  public init(source: String, reason: String) {
    self.source = source
    self.reason = reason
  }

  /// One line: where, what, what to do.
  public var description: String {
    "\(source): \(reason)".split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
