// Moving averages whose memory grows with the run.

import Foundation

/// A moving average of the weights that gives step s the weight sᵞ (Karras et al. 2024, "Analyzing
/// and Improving the Training Dynamics of Diffusion Models", section 3.1).
///
/// Its length is relative: the standard deviation of that profile as a part of the steps so far. It
/// begins at step 1, where it is the weights, and forgets the initial ones.
public struct PowerAverage: Hashable, Sendable {
  /// The lengths that an average may have: below √(1/12) ≈ 0.289, that of the plain mean.
  public static let lengths = 0.001...0.28

  /// The relative standard deviation σ_rel of the profile.
  public let length: Double
  /// γ, 0 or more.
  public let exponent: Double

  /// The average of a length, one of `lengths`.
  ///
  /// γ is the largest real root of γ³ + 7γ² + (16 − σ⁻²)γ + (12 − σ⁻²) (Karras et al. 2024,
  /// appendix C), found in the form (γ + 2)² (γ + 3) = (γ + 1)/σ². Left of it the quotient of the
  /// sides is below 1, right of it above, and it lies in 0 … 1/σ.
  public init(length: Double) {
    precondition(Self.lengths.contains(length), "A power average cannot have this length.")
    self.length = length
    var (low, high) = (0.0, 1 / length)
    while true {
      let middle = (low + high) / 2
      guard middle > low, middle < high else { break }
      let isBelow = length * length * (middle + 2) * (middle + 2) * (middle + 3) < middle + 1
      if isBelow { low = middle } else { high = middle }
    }
    exponent = low
  }

  /// The share of the new weights in the average, 1 − β_t = 1 − (1 − 1/t)^(γ + 1) (Karras et al.
  /// 2024, section 3.1).
  ///
  /// - Parameter step: The number of steps taken with this one, t.
  public func rate(atStep step: Int) -> Double {
    precondition(step >= 1, "A power average begins at step 1.")
    return 1 - pow(1 - 1 / Double(step), exponent + 1)
  }
}
