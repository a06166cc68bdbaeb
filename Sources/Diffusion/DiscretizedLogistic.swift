// The other decoder of grey levels: a logistic distribution cut into bins.

import Foundation

/// A logistic distribution over K grey levels: the mass that it gives to the bin around each level
/// (Salimans et al. 2017, section 2.1).
///
/// The levels and bins are those of `DiscretizedNormal`. With a and b the ends of a bin in units of the
/// scale s, a above b, and Δ = a − b, the mass σ(a) − σ(b) of an inner bin is σ(a) σ(−b) (1 − e^{−Δ}),
/// whose logarithm is exact and finite however far the mean is: no thresholds, and a slope everywhere.
public struct DiscretizedLogistic: Sendable, Equatable {
  /// The number of levels K ≥ 2.
  public let levels: Int
  /// The scale s > 0; the standard deviation is π s/√3.
  public let scale: Double

  private let halfWidth: Double

  /// The distribution over `levels` ≥ 2 levels with a scale > 0; one that a network has made no number
  /// gives results that are none.
  public init(levels: Int, scale: Double) {
    precondition(levels >= 2, "A discretised image has at least 2 levels.")
    (self.levels, self.scale) = (levels, scale)
    halfWidth = 1 / (Double(levels - 1) * scale)
  }

  /// log P(level k) in nats, and its derivatives with respect to the mean and to the logarithm of the scale.
  @inline(__always)
  public func logProbabilityAndDerivatives(
    ofLevel k: Int, mean: Double
  ) -> (logProbability: Double, mean: Double, logDeviation: Double) {
    precondition(k >= 0 && k < levels, "A level is numbered 0 to K − 1.")
    let z = (-1 + 2 * Double(k) / Double(levels - 1) - mean) / scale
    let (a, b) = (z + halfWidth, z - halfWidth)
    var (logProbability, slope, scaleSlope) = (0.0, 0.0, 0.0)
    if k < levels - 1 {
      logProbability -= softplus(-a)
      slope -= sigmoid(-a)
      scaleSlope -= a * sigmoid(-a)
    }
    if k > 0 {
      logProbability -= softplus(b)
      slope += sigmoid(b)
      scaleSlope += b * sigmoid(b)
    }
    if k > 0, k < levels - 1 {
      let width = 2 * halfWidth
      logProbability += log(-expm1(-width))
      scaleSlope -= width / expm1(width)
    }
    return (logProbability, slope / scale, scaleSlope)
  }
}
