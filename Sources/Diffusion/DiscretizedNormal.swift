// The decoder of grey levels: a normal cut into bins.

import Foundation

/// A normal distribution over K grey levels: the mass that it gives to the bin around each level.
///
/// The levels are v_k = −1 + 2k/(K−1), k = 0 … K−1. A bin reaches 1/(K−1) to either side of its
/// level, except that the first and the last have no outer end, so that the masses sum to 1.
/// With K = 256 this is the decoder of Ho et al. 2020, eq. 13.
///
/// The arithmetic stays finite and accurate however far the mean is from the level; a mean that is
/// not a number gives results that are not.
public struct DiscretizedNormal: Sendable, Equatable {
  /// The number of levels K ≥ 2.
  public let levels: Int
  /// The standard deviation σ > 0 before discretisation.
  public let standardDeviation: Double

  /// Half the width of a bin in units of σ.
  private let halfWidth: Double

  /// The distribution over `levels` ≥ 2 levels with a standard deviation > 0.
  public init(levels: Int, standardDeviation: Double) {
    precondition(levels >= 2, "A discretised image has at least 2 levels.")
    precondition(standardDeviation > 0, "A standard deviation is positive.")
    self.init(levels, standardDeviation)
  }

  private init(_ levels: Int, _ standardDeviation: Double) {
    self.levels = levels
    self.standardDeviation = standardDeviation
    self.halfWidth = 1 / (Double(levels - 1) * standardDeviation)
  }

  /// The same levels with another standard deviation; one that a network has made 0, infinite or no
  /// number gives results that are not finite.
  package func with(standardDeviation: Double) -> DiscretizedNormal {
    DiscretizedNormal(levels, standardDeviation)
  }

  /// The value v_k in [−1, 1] of level k in 0 … K−1.
  public func value(ofLevel k: Int) -> Double {
    -1 + 2 * Double(k) / Double(levels - 1)
  }

  /// The level whose value is nearest to x, which undoes the rounding of v_k to Float.
  public func level(nearestTo x: Double) -> Int {
    nearestLevel(to: x, of: levels)
  }

  /// log P(level k) in nats, for the normal with this mean.
  public func logProbability(ofLevel k: Int, mean: Double) -> Double {
    logProbabilityAndDerivative(ofLevel: k, mean: mean).logProbability
  }

  /// log P(level k) in nats and its derivative with respect to the mean.
  public func logProbabilityAndDerivative(
    ofLevel k: Int, mean: Double
  ) -> (logProbability: Double, derivative: Double) {
    let value = logProbabilityAndDerivatives(ofLevel: k, mean: mean)
    return (value.logProbability, value.mean)
  }

  /// log P(level k) in nats, and its derivatives with respect to the mean and to log σ.
  ///
  /// With a < b the ends of the bin in units of σ and relative to the mean, ∂P/∂mean is
  /// (φ(a) − φ(b))/σ and ∂P/∂log σ is a φ(a) − b φ(b); an end that is open drops its term.
  @inline(__always)
  public func logProbabilityAndDerivatives(
    ofLevel k: Int, mean: Double
  ) -> (logProbability: Double, mean: Double, logDeviation: Double) {
    precondition(k >= 0 && k < levels, "A level is numbered 0 to K − 1.")
    // In units of σ and relative to the mean: the centre z of the bin, and its ends a < b.
    // The normal is symmetric: reflect a bin on the right to the left, and the last onto the first.
    var z = (value(ofLevel: k) - mean) / standardDeviation
    var isFirst = k == 0
    var sign = 1.0
    if k == levels - 1 || (k > 0 && z > 0) {
      z = -z
      isFirst = k == levels - 1
      sign = -1
    }
    let a = isFirst ? -Double.infinity : z - halfWidth
    let b = z + halfWidth
    // φ(a)/φ(b) − 1 = exp((b² − a²)/2) − 1, where b² − a² = 2 · width · z without cancellation.
    let excess = isFirst ? -1 : expm1(2 * halfWidth * z)
    // (b φ(b) − a φ(a))/φ(b), the same on either side of the mean; b − a is twice the half-width.
    let spread = isFirst ? b : 2 * halfWidth - a * excess

    if b <= 0 {
      // A tail: P = φ(b) · r with r = M(−b) − M(−a) φ(a)/φ(b), M the Mills ratio.
      let upper = millsRatio(-b)
      let r = isFirst ? upper : upper - millsRatio(-a) * (1 + excess)
      let logDensity = -0.5 * (b * b + log(2 * Double.pi))
      return (logDensity + log(r), sign * excess / (r * standardDeviation), -spread / r)
    }
    // The bin holds the mean: count what is outside, so that a P of nearly 1 keeps its digits.
    let root = 0.5.squareRoot()
    let outside = 0.5 * (erfc(b * root) + erfc(-a * root))
    let density = exp(-0.5 * b * b) / (2 * Double.pi).squareRoot()
    return (
      log1p(-outside), sign * density * excess / ((1 - outside) * standardDeviation),
      -density * spread / (1 - outside)
    )
  }
}

/// The one of the levels −1 + 2k/(K−1), k = 0 … K − 1, that is nearest to x.
///
/// - Parameter levels: K.
func nearestLevel(to x: Double, of levels: Int) -> Int {
  precondition(!x.isNaN, "A clean image holds numbers.")
  return Int(((min(max(x, -1), 1) + 1) / 2 * Double(levels - 1)).rounded())
}
