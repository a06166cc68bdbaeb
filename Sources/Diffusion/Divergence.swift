// Closed forms of two isotropic normals, and the unit of the bound.

import Foundation

/// KL(N(μ_1, σ_1² I) ‖ N(μ_2, σ_2² I)) in d dimensions, in nats.
///
/// ½ [d log(σ_2²/σ_1²) + (d σ_1² + ‖μ_1−μ_2‖²)/σ_2² − d]: the d of σ_1² is often forgotten.
///
/// - Parameters:
///   - squaredDistance: ‖μ_1−μ_2‖², summed over the d scalars.
///   - variance: σ_1² > 0, the variance of the normal that the expectation is over.
///   - reference: σ_2² > 0.
///   - dimensions: d.
public func klNormal(
  squaredDistance: Double, variance: Double, reference: Double, dimensions: Int
) -> Double {
  // With u = σ_1²/σ_2² − 1 the variances contribute u − log(1 + u), which loses no digits where
  // they are nearly equal.
  let u = (variance - reference) / reference
  return 0.5 * (Double(dimensions) * (u - log1p(u)) + squaredDistance / reference)
}

/// −log N(x; μ, σ² I) in d dimensions, in nats: ½ [d log(2πσ²) + ‖x−μ‖²/σ²].
///
/// - Parameters:
///   - squaredDistance: ‖x−μ‖², summed over the d scalars.
///   - variance: σ² > 0.
///   - dimensions: d.
public func negativeLogNormal(
  squaredDistance: Double, variance: Double, dimensions: Int
) -> Double {
  0.5 * (Double(dimensions) * log(2 * Double.pi * variance) + squaredDistance / variance)
}

/// Nats of a whole image as bits per scalar: nats / (d ln 2).
public func bitsPerDimension(nats: Double, dimensions: Int) -> Double {
  precondition(dimensions > 0, "An image has at least one scalar.")
  return nats / (Double(dimensions) * M_LN2)
}
