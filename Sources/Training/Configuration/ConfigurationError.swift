/// A configuration that cannot be used.
public struct ConfigurationError: Error, CustomStringConvertible {
  /// Where the fault is: "configs/digits.yaml:12" or "--set steps=x".
  public let source: String
  /// What is wrong there and what to do.
  public let reason: String

  /// One line: where, what, what to do.
  public var description: String {
    "\(source): \(reason)".split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
