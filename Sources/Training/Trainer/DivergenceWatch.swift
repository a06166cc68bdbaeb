// Whether a run has left the way on which it was learning, though its numbers are finite.

/// Watches the loss and the gradient's norm of each step, which are the same on all ranks.
///
/// A run may leave the way on which it was learning and stay finite for ever: its loss jumps to a thousand
/// times what it was and wanders there, while the rotation of checkpoints removes those from which it could
/// go on. So a step is suspicious where
///
///     loss > m + max(4 |m|, 10 d)    or    norm > 20 m
///
/// with the median m of the hundred steps before the first of a row of suspicious ones, and the median d of
/// their distances from m. Twenty suspicious steps in a row are a divergence; before the twentieth step none
/// is suspicious.
///
/// The numbers: with the objective `bound` and a network that predicts the noise, a batch in which t = 1 is
/// drawn costs a hundred times one in which it is not, so that medians say little of a single step. In forty
/// runs of all objectives, predictions and variances no more than seven steps in a row were suspicious. A
/// loss may be negative, a density of continuous images; 4 |m| is then as far above m as it would be for a
/// positive one, and d speaks where m is near 0.
package struct DivergenceWatch {
  /// The steps that medians are made of.
  package static let window = 100
  /// The steps before which nothing is suspicious.
  package static let least = 20
  /// The suspicious steps in a row that are a divergence.
  package static let limit = 20

  /// What has happened.
  package struct Divergence: Equatable {
    /// The last step before the first suspicious one.
    package let lastHealthyStep: Int
    /// The loss of the last step, and the median before.
    package let loss: (now: Double, before: Double)
    /// The gradient's norm of the last step, and the median before.
    package let norm: (now: Double, before: Double)

    package static func == (a: Self, b: Self) -> Bool {
      a.lastHealthyStep == b.lastHealthyStep && a.loss == b.loss && a.norm == b.norm
    }
  }

  /// The steps before the row of suspicious ones: loss and norm.
  private var before: [(loss: Double, norm: Double)] = []
  /// The row of suspicious steps.
  private var row: [(loss: Double, norm: Double)] = []

  /// A watch that has seen nothing.
  package init() {}

  /// Takes in a step.
  ///
  /// - Returns: The divergence that it completes; nil where there is none.
  package mutating func note(step: Int, loss: Double, norm: Double) -> Divergence? {
    row.append((loss, norm))
    let (middle, normMiddle) = (
      Self.median(before.map(\.loss)), Self.median(before.map(\.norm))
    )
    let spread = Self.median(before.map { abs($0.loss - middle) })
    // A comparison with what is no number is false.
    let isHealthy =
      loss <= middle + max(4 * abs(middle), 10 * spread) && norm <= 20 * normMiddle
    guard before.count >= Self.least, !isHealthy else {
      before = (before + row).suffix(Self.window)
      row = []
      return nil
    }
    guard row.count >= Self.limit else { return nil }
    return Divergence(
      lastHealthyStep: step - row.count, loss: (loss, middle), norm: (norm, normMiddle))
  }

  private static func median(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
