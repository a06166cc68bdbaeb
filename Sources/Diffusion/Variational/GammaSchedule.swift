// How noisy an image is at each time of a variational diffusion model.

import Foundation

/// γ(t) for t in [0, 1], rising from γ_0 to γ_1: z_t = α_t x + σ_t ε with σ_t² = sigmoid(γ) and
/// α_t² = sigmoid(−γ), so that the signal-to-noise ratio is exp(−γ) (Kingma et al. 2021, section 3).
///
/// Ends of a hostile file that are no numbers give γ that are none, and no trap.
public struct GammaSchedule: Equatable, Sendable {
  /// γ_0, where there is least noise.
  public let first: Double
  /// γ_1, where there is most.
  public let last: Double
  /// How γ goes from the one to the other.
  public let interior: GammaInterior

  /// A schedule between two levels.
  public init(from first: Double, to last: Double, interior: GammaInterior = .linear) {
    (self.first, self.last, self.interior) = (first, last, interior)
  }

  /// γ_0 for images of K grey levels such that the deviation of z_0/α_0, e^{γ_0/2}, is 1/(4(K−1)), an
  /// eighth of the distance of two levels: −2 log(4(K−1)), −13.9 for 256 levels.
  public static func first(levels: Int) -> Double {
    precondition(levels >= 2, "A discretised image has at least 2 levels.")
    return -2 * log(4 * Double(levels - 1))
  }

  /// The noise at one time.
  public struct Point: Equatable, Sendable {
    /// γ(t).
    public let gamma: Double
    /// γ'(t).
    public let slope: Double
    /// (γ(t) − γ_0)/(γ_1 − γ_0), in [0, 1].
    public let share: Double

    /// α_t and σ_t.
    public var coefficients: (x0: Double, noise: Double) { forwardCoefficients(gamma: gamma) }
  }

  /// The noise at a time t of [0, 1].
  public func point(_ t: Double) -> Point {
    let (share, slope) = interior.share(t)
    return Point(
      gamma: first + (last - first) * share, slope: (last - first) * slope, share: share)
  }

  /// The chain whose steps 1, 2, …, T + 1 have the noise of t = 0, 1/T, …, 1, for all that is made for
  /// chains: its network is told the noise level.
  ///
  /// - Throws: `DiffusionError` where γ does not rise, or rises too far for a Double.
  public func chain(
    steps: Int, clock: NoiseLevelClock
  ) throws(DiffusionError) -> NoiseSchedule {
    var betas = [sigmoid(first)]
    var previous = softplus(first)
    for i in 1...steps {
      // ᾱ = exp(−softplus(γ)), so that β = 1 − ᾱ_t/ᾱ_s loses no digits.
      let next = softplus(point(Double(i) / Double(steps)).gamma)
      betas.append(-expm1(previous - next))
      previous = next
    }
    let checked = try NoiseSchedule(validating: betas)
    return NoiseSchedule(betas: checked.betas, clock: .noiseLevel(clock))
  }
}

/// α = √sigmoid(−γ) and σ = √sigmoid(γ).
public func forwardCoefficients(gamma: Double) -> (x0: Double, noise: Double) {
  (sigmoid(-gamma).squareRoot(), sigmoid(gamma).squareRoot())
}
