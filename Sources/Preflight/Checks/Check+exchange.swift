// Check: what messages cost.

import Foundation

extension Check {
  /// The time of a message and of a byte.
  static let exchange = Check("exchange") { facts in
    guard facts.ranks.count > 1 else { return .good("one rank has nothing to exchange") }
    guard let cost = facts.exchange else { return nil }
    let rate = cost.beta > 0 ? String(format: "%.3g Gbit/s", 8e-9 / cost.beta) : "any rate"
    return .good(String(format: "%.3g µs a message, ", 1e6 * cost.alpha) + rate)
  }
}
