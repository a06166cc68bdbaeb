// Which steps a power average has seen, and how several of them make up another.

import Foundation
import Parallel
import Tensors

/// How much each step s up to t is in a power average: the density (γ + 1) sᵞ/tᵞ⁺¹ (Karras et al.
/// 2024, section 3).
package struct PowerProfile: Hashable, Sendable {
  /// The average.
  package let average: PowerAverage
  /// The number of finished steps t, 1 or more.
  package let step: Int

  /// The profile of an average at a step.
  package init(_ average: PowerAverage, step: Int) {
    precondition(step >= 1, "A power average begins at step 1.")
    (self.average, self.step) = (average, step)
  }

  /// ∫ p q over the steps: (γ_p + 1)(γ_q + 1)(t_p/t_q)ˣ / ((γ_p + γ_q + 1) max(t_p, t_q)) with
  /// x = γ_q where t_p < t_q, else −γ_p (Karras et al. 2024, appendix C).
  package func product(_ q: PowerProfile) -> Double {
    let (a, b) = (average.exponent, q.average.exponent)
    let (s, t) = (Double(step), Double(q.step))
    return (a + 1) * (b + 1) * pow(s / t, s < t ? b : -a) / ((a + b + 1) * max(s, t))
  }

  /// A weighted sum of profiles that is near another one.
  package struct Combination: Sendable {
    /// The weight of each profile; their sum is 1.
    package let weights: [Double]
    /// √(∫ (sum − target)² / ∫ target²).
    package let residual: Double
  }

  /// The weighted sum of some profiles that is nearest to this one, by least squares (Karras et al.
  /// 2024, section 3.2).
  ///
  /// The profiles are scaled to equal norms, which leaves the solution as it is and rounds less.
  ///
  /// - Parameter profiles: Different ones, at least one.
  /// - Returns: nil where they cannot be told apart in double precision.
  package func combination(of profiles: [PowerProfile]) -> Combination? {
    precondition(!profiles.isEmpty, "There is something to combine.")
    let norms = profiles.map { $0.product($0).squareRoot() }
    let pairs = zip(profiles, norms)
    let matrix = pairs.flatMap { p, m in pairs.map { q, n in p.product(q) / (m * n) } }
    let right = pairs.map { p, norm in p.product(self) / norm }
    guard let scaled = solve(symmetric: matrix, right) else { return nil }
    let unscaled = zip(scaled, norms).map { $0 / $1 }
    let sum = unscaled.reduce(0, +)
    let weights = unscaled.map { $0 / sum }
    guard weights.allSatisfy(\.isFinite) else { return nil }
    var square = product(self)
    for (p, x) in zip(profiles, weights) {
      square -= 2 * x * p.product(self)
      for (q, y) in zip(profiles, weights) { square += x * y * p.product(q) }
    }
    return Combination(
      weights: weights, residual: max(square / product(self), 0).squareRoot())
  }
}
