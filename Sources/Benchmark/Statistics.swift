// Three numbers for several.

/// What several measurements of one thing have in common.
public struct Statistics: Codable, Equatable, Sendable {
  /// The smallest.
  public let minimum: Double
  /// The middle one; the mean of the two in the middle of an even number.
  public let median: Double
  /// The largest.
  public let maximum: Double

  /// The statistics of at least one value.
  public init(_ values: [Double]) {
    precondition(!values.isEmpty, "Nothing was measured.")
    let sorted = values.sorted()
    let count = sorted.count
    minimum = sorted[0]
    median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    maximum = sorted[count - 1]
  }
}
