// A diffusion model without its network.

import Foundation

/// A diffusion model without its network: the forward process, the posterior, the reverse step and
/// the objectives, given what the network's output means.
///
/// Images are spans of d scalars in any one layout; x_0 lies in [−1, 1]. Spans hold Float, the
/// arithmetic on them is in Double and runs from the first scalar to the last, so that equal input
/// gives equal bits. Source: Ho, Jain & Abbeel 2020.
public struct GaussianDiffusion: Sendable, Equatable {
  /// The variances of the forward process.
  public let schedule: NoiseSchedule
  /// What the network's output stands for.
  public let prediction: Prediction
  /// The rule for the variance of the reverse step.
  public let variance: ReverseVariance
  /// The number of grey levels K of a clean image; `nil` where its scalars are continuous.
  public let levels: Int?

  /// The model of images with `levels` ≥ 2 grey levels, or of continuous ones.
  ///
  /// A network that predicts the mean needs the schedule that it was trained on, not a respaced
  /// one.
  public init(
    schedule: NoiseSchedule, prediction: Prediction = .epsilon,
    variance: ReverseVariance = .fixedLarge, levels: Int? = 256
  ) {
    precondition(levels.map { $0 >= 2 } ?? true, "A discretised image has at least 2 levels.")
    precondition(
      prediction != .epsilon || !schedule.hasZeroTerminalSNR,
      "\(DiffusionError.noiseAloneAtTheEnd)")
    precondition(variance != .analytic, "The analytic variance is not the model's own.")
    precondition(
      prediction != .mean || !schedule.isRespaced, "\(DiffusionError.meanPredictionNeedsEveryStep)")
    self.schedule = schedule
    self.prediction = prediction
    self.variance = variance
    self.levels = levels
  }

  /// The same model over some of its steps.
  ///
  /// - Parameter steps: Rising steps of 1 … T, see `TimestepGrid`.
  /// - Throws: `.meanPredictionNeedsEveryStep`: μ is the mean of the next image of the long chain.
  public func respaced(to steps: [Int]) throws(DiffusionError) -> GaussianDiffusion {
    if steps.count == schedule.steps { return self }
    if prediction == .mean { throw .meanPredictionNeedsEveryStep }
    return GaussianDiffusion(
      schedule: schedule.respaced(to: steps), prediction: prediction, variance: variance,
      levels: levels)
  }

  /// The variance σ_t² of the reverse step p_θ(x_{t−1} | x_t), t in 1 … T.
  ///
  /// For the fixed variances only. Continuous images have β_1 at t = 1: Ho's β̃_2 there is
  /// made for grey levels, whose bins are wider than either; the density of a continuous x_0
  /// given x_1 has a variance that tends to β_1, and β̃_2 ≈ β_1/2 would cost (1 − ln 2)/2 nats a
  /// scalar for any network.
  public func reverseVariance(_ t: Int) -> Double {
    if t == 1 && levels == nil { return schedule.beta(1) }
    return schedule.fixedVariance(variance, t)
  }

  /// Writes x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε (Ho et al. 2020, eq. 4).
  ///
  /// - Parameters:
  ///   - t: The step, 1 … T.
  ///   - x0: x_0, d scalars.
  ///   - noise: ε ~ N(0, I), d scalars.
  ///   - xt: x_t, d scalars; all are written.
  public func forward(
    t: Int, x0: Span<Float>, noise: Span<Float>, into xt: inout MutableSpan<Float>
  ) {
    precondition(x0.count == noise.count && x0.count == xt.count, "x_0, ε and x_t have one size.")
    let factor = schedule.forwardCoefficients(t)
    for i in x0.indices {
      xt[i] = Float(factor.x0 * Double(x0[i]) + factor.noise * Double(noise[i]))
    }
  }
}
