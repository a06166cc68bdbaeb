// Whether a run has left the way on which it was learning, though its numbers may be finite.

/// Watches the loss and the gradient's norm of each step, which are the same on all ranks.
///
/// A run may leave the way on which it was learning and stay finite for ever: its loss jumps to a thousand
/// times what it was and wanders there, while the rotation of checkpoints removes those from which it could
/// go on. So a step is suspicious where
///
///     loss > m + max(4 |m|, 10 d)    or    norm > 20 m
///
/// with the median m of the hundred steps before the first of a row of suspicious ones, and the median d of
/// their distances from m. Twenty suspicious steps in a row are a divergence. Numbers that are not finite
/// are suspicious, too. While there are fewer than twenty steps that are not, medians say little, and
/// a step is suspicious only where both are above a thousand times what they were, or where it is an
/// explosion: a loss of ten thousand times the smallest before, and a norm of a thousand times, while the
/// medians are ten times the smallest already. What is left of a network after it may look quiet again: it
/// is a divergence at once. A single batch with t = 1 may be as far above others where a chain is long, but
/// then it is rare, and the median is that of the others.
///
/// The numbers: with the objective `bound` and a network that predicts the noise, a batch in which t = 1 is
/// drawn costs a hundred times one in which it is not, so that medians say little of a single step. In forty
/// runs of all objectives, predictions and variances no more than seven steps in a row were suspicious. A
/// loss may be negative, a density of continuous images; 4 |m| is then as far above m as it would be for a
/// positive one, and d speaks where m is near 0.
package struct DivergenceWatch: Equatable {
  /// The steps that medians are made of.
  package static let window = 100
  /// The steps before which medians say little.
  package static let least = 20
  /// The suspicious steps in a row that are a divergence.
  package static let limit = 20

  /// What a step is.
  package enum Verdict: Equatable {
    /// As those before.
    case healthy
    /// Far above those before, and finite.
    case suspicious(Evidence)
    /// Not finite.
    case notFinite(Evidence)
  }

  /// What speaks against a step.
  package struct Evidence: Equatable, Sendable {
    /// The number of the step, 1 for the first.
    package let step: Int
    /// How many suspicious steps in a row it completes.
    package let row: Int
    /// The loss of the step.
    package let loss: Double
    /// The median loss before.
    package let usualLoss: Double
    /// The gradient's norm.
    package let norm: Double
    /// The median norm before.
    package let usualNorm: Double

    /// Whether a young run has exploded.
    package var isExplosion = false

    /// The last step before the row.
    package var lastHealthyStep: Int { step - row }
    /// Whether there are so many in a row that the run has diverged.
    package var isDivergence: Bool { row >= DivergenceWatch.limit }
  }

  /// The loss and the norm of a step.
  private struct Step: Equatable {
    var loss: Double
    var norm: Double
  }

  /// The steps before the row of suspicious ones.
  private var before: [Step] = []
  /// The row of suspicious steps.
  private var row: [Step] = []

  /// A watch that has seen nothing.
  package init() {}

  /// How many suspicious steps in a row were the last ones.
  package var suspiciousSteps: Int { row.count }

  /// Takes in a step.
  ///
  /// - Parameter step: Its number, 1 for the first.
  package mutating func note(step: Int, loss: Double, norm: Double) -> Verdict {
    let (usualLoss, usualNorm) = (
      Self.median(before.map(\.loss)), Self.median(before.map(\.norm))
    )
    let isFinite = loss.isFinite && norm.isFinite
    let isExplosion =
      isFinite && isExplosion(loss: loss, norm: norm, usualLoss, usualNorm)
    if isFinite, !isExplosion, isUsual(loss: loss, norm: norm, usualLoss, usualNorm) {
      before = (before + row + [Step(loss: loss, norm: norm)]).suffix(Self.window)
      row = []
      return .healthy
    }
    row.append(Step(loss: Self.finite(loss), norm: Self.finite(norm)))
    let evidence = Evidence(
      step: step, row: row.count, loss: loss, usualLoss: usualLoss, norm: norm,
      usualNorm: usualNorm, isExplosion: isExplosion)
    return isFinite ? .suspicious(evidence) : .notFinite(evidence)
  }

  /// Forgets the row: its steps are undone.
  package mutating func forgetRow() { row = [] }

  private func isExplosion(
    loss: Double, norm: Double, _ usualLoss: Double, _ usualNorm: Double
  ) -> Bool {
    guard 3..<Self.least ~= before.count, let smallestLoss = before.map({ abs($0.loss) }).min(),
      let smallestNorm = before.map(\.norm).min()
    else { return false }
    return loss > 10_000 * smallestLoss && norm > 1000 * smallestNorm
      && abs(usualLoss) > 10 * smallestLoss && usualNorm > 10 * smallestNorm
  }

  private func isUsual(
    loss: Double, norm: Double, _ usualLoss: Double, _ usualNorm: Double
  ) -> Bool {
    guard before.count >= Self.least else {
      return before.isEmpty || loss <= usualLoss + 1000 * abs(usualLoss)
        || norm <= 1000 * usualNorm
    }
    let spread = Self.median(before.map { abs($0.loss - usualLoss) })
    return loss <= usualLoss + max(4 * abs(usualLoss), 10 * spread) && norm <= 20 * usualNorm
  }

  /// The number, or the largest where it is none: a file holds finite ones.
  private static func finite(_ value: Double) -> Double {
    value.isFinite ? value : .greatestFiniteMagnitude
  }

  private static func median(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1
      ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
  }

  // MARK: In a checkpoint

  private enum Key {
    static let losses = "watch_losses"
    static let norms = "watch_norms"
    static let suspicious = "watch_suspicious"
  }

  /// The watch as named vectors of finite numbers; none where it has seen nothing.
  package var numbers: [String: [Double]] {
    let all = before + row
    guard !all.isEmpty else { return [:] }
    return [
      Key.losses: all.map(\.loss), Key.norms: all.map(\.norm),
      Key.suspicious: [Double(row.count)],
    ]
  }

  /// The watch of a checkpoint; one that has seen nothing where it has none.
  ///
  /// - Returns: nil where the numbers cannot be those of a watch.
  package init?(_ numbers: [String: [Double]]) {
    guard let losses = numbers[Key.losses] else {
      guard numbers[Key.norms] == nil, numbers[Key.suspicious] == nil else { return nil }
      return
    }
    guard let norms = numbers[Key.norms], norms.count == losses.count,
      let suspicious = numbers[Key.suspicious]?.first,
      let count = Int(exactly: suspicious), (0...Self.limit).contains(count),
      (count...(Self.window + Self.limit)).contains(losses.count)
    else { return nil }
    let all = zip(losses, norms).map { Step(loss: $0, norm: $1) }
    (before, row) = (Array(all.dropLast(count)), Array(all.suffix(count)))
  }
}
