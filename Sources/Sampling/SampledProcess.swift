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

  /// A process with a rule for its variance, and what the data says of it.
  public init(
    schedule: NoiseSchedule, variance: ReverseVariance, levels: Int? = nil,
    noiseNorms: [Double]? = nil, hasRealTimes: Bool = true
  ) {
    precondition(
      noiseNorms.map { $0.count == schedule.steps } ?? true, "Each step has its own number.")
    self.schedule = schedule
    self.variance = variance
    self.levels = levels
    self.noiseNorms = noiseNorms
    self.hasRealTimes = hasRealTimes
  }

  /// The process up to step t, which begins with x_t.
  public func prefix(_ t: Int) -> SampledProcess {
    SampledProcess(
      schedule: t == schedule.steps ? schedule : schedule.respaced(to: Array(1...t)),
      variance: variance, levels: levels, noiseNorms: noiseNorms.map { Array($0.prefix(t)) },
      hasRealTimes: hasRealTimes)
  }

  /// Refuses a sampler that asks between the steps of a network that knows whole steps only.
  ///
  /// - Throws: `SamplerError.wholeStepsOnly`.
  func requireRealTimes(for sampler: String) throws(SamplerError) {
    guard hasRealTimes else { throw .wholeStepsOnly(sampler: sampler) }
  }
}
