// Check: how long steps take.

import Foundation

extension Check {
  /// Steps that were made on the run's images.
  static let steps = Check("steps") { facts in
    guard let steps = facts.steps else { return nil }
    let (seconds, median) = (steps.seconds, steps.seconds.median)
    let measured = String(
      format: "%.3g s a step (%.3g to %.3g)", median, seconds.minimum, seconds.maximum)
    if facts.ranks.count > 1, steps.computeSeconds < 0.5 * median {
      return .warning(
        measured + String(format: ", of which %.3g s compute", steps.computeSeconds),
        "Ranks wait for each other: take fewer machines, a larger batch, or a faster network.")
    }
    if median > 1.25 * seconds.minimum {
      return .warning(
        measured, "Steps take unequal time: look for other programs on these machines.")
    }
    return .good(measured)
  }
}
