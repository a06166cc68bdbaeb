// What a rank sends in exchanges.

/// How much a rank has sent to others.
public struct ExchangeTraffic: Codable, Equatable, Sendable {
  /// The messages that were not empty.
  public private(set) var messages = 0
  /// Their bytes.
  public private(set) var bytes = 0

  /// Nothing so far.
  public init() {}

  /// Takes notice of messages of so many floats.
  mutating func note(_ counts: [Int]) {
    messages += counts.count { $0 > 0 }
    bytes += counts.reduce(0, +) * MemoryLayout<Float>.stride
  }

  /// What came between two moments.
  public static func - (later: Self, earlier: Self) -> Self {
    var difference = later
    difference.messages -= earlier.messages
    difference.bytes -= earlier.bytes
    return difference
  }
}
