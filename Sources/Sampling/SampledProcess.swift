// What a sampler may know of the model that it samples from.

import Diffusion

/// The reverse process of a trained model.
public struct SampledProcess: Sendable {
  /// The chain that the network was trained on.
  public let schedule: NoiseSchedule
  /// The rule for the variance of its reverse steps.
  public let variance: ReverseVariance
  /// The grey levels of its images; nil where they are continuous.
  public let levels: Int?
  /// Γ_1 … Γ_T, the mean squares of ε̂ over the data; nil where they have not been estimated.
  public let noiseNorms: [Double]?
  /// Whether the network may be asked between two steps.
  public let hasRealTimes: Bool
  /// The last step at which what the network sees of an image is more than its own errors.
  public let lastSeenStep: Int

  /// λ below which hardly anything is left of an image, for a network that predicts the noise.
  ///
  /// x̂_0 = (x_t − √(1−ᾱ_t) ε̂)/√ᾱ_t then has the network's errors 160 times enlarged, and more. Ho's
  /// schedule ends at −5.06; a cosine schedule goes on, and the authors of DPM-Solver++ begin at −5.1
  /// there (Lu et al. 2022b, code).
  private static let lowestLogSNR = -5.1

  /// A process with a rule for its variance, and what the data says of it.
  ///
  /// - Parameter predictsNoise: Whether x̂_0 is what predicted noise leaves of x_t.
  public init(
    schedule: NoiseSchedule, variance: ReverseVariance, levels: Int? = nil,
    noiseNorms: [Double]? = nil, hasRealTimes: Bool = true, predictsNoise: Bool = false
  ) {
    precondition(
      noiseNorms.map { $0.count == schedule.steps } ?? true, "Each step has its own number.")
    self.schedule = schedule
    self.variance = variance
    self.levels = levels
    self.noiseNorms = noiseNorms
    self.hasRealTimes = hasRealTimes
    lastSeenStep =
      predictsNoise
      ? (1...schedule.steps).last { schedule.logSNR($0) >= Self.lowestLogSNR } ?? 1
      : schedule.steps
  }

  /// The process up to step t, which begins with x_t.
  public func prefix(_ t: Int) -> SampledProcess {
    SampledProcess(
      schedule: t == schedule.steps ? schedule : schedule.respaced(to: Array(1...t)),
      variance: variance, levels: levels, noiseNorms: noiseNorms.map { Array($0.prefix(t)) },
      hasRealTimes: hasRealTimes, predictsNoise: lastSeenStep < schedule.steps)
  }

  /// The process that solvers of an equation begin with: up to `lastSeenStep`, unless the steps are
  /// listed. x_T ~ N(0, I) stands for that x_t, of which an image is less than a hundredth.
  func solved(on grid: TimestepGrid?) -> SampledProcess {
    if case .list = grid { return self }
    return lastSeenStep < schedule.steps ? prefix(lastSeenStep) : self
  }

  /// That a solver begins before T, where it does.
  func solverNotes(on grid: TimestepGrid?) -> [String] {
    let steps = solved(on: grid).schedule.steps
    guard steps < schedule.steps else { return [] }
    return [
      "The way begins at step \(steps) of \(schedule.steps): beyond, hardly anything is left of an "
        + "image, and what this network sees there would be its own errors; --grid with a list begins "
        + "where the list does."
    ]
  }

  /// Refuses a sampler that asks between the steps of a network that knows whole steps only.
  ///
  /// - Throws: `SamplerError.wholeStepsOnly`.
  func requireRealTimes(for sampler: String) throws(SamplerError) {
    guard hasRealTimes else { throw .wholeStepsOnly(sampler: sampler) }
  }
}
