// The forward process between the steps of its table.

import Foundation

/// The forward process at every real time of [1, T]: between two steps of the table, log ᾱ is linear
/// in t (Lu et al. 2022, DPM-Solver, whose code calls such schedules discrete).
///
/// Time is told in two ways, and each rises with the other: as t, which is a step where it is
/// whole, and as τ = log σ̃ with σ̃ = √((1−ᾱ)/ᾱ), the noise in units of the image. All conversions
/// keep their digits where there is little noise, near t = 1, and where there is much.
public struct ContinuousTime: Equatable, Sendable {
  /// The last step whose σ̃ is finite: T, unless nothing is left of an image at T.
  public let lastStep: Int
  private let schedule: NoiseSchedule
  /// log ᾱ_1, log ᾱ_2, … up to the last step; it falls.
  private let logAlphas: [Double]

  /// The times of a schedule, of which at least the first step leaves something of an image.
  public init(_ schedule: NoiseSchedule) {
    self.schedule = schedule
    let steps = (1...schedule.steps).prefix {
      schedule.cumulativeAlpha($0) >= .leastNormalMagnitude
    }
    lastStep = steps.count
    logAlphas = steps.map { t in
      let variance = schedule.noiseVariance(t)
      return variance < 0.5 ? log1p(-variance) : log(schedule.cumulativeAlpha(t))
    }
  }

  /// τ of the first and of the last step.
  public var range: ClosedRange<Double> {
    logNoiseLevel(1)...max(logNoiseLevel(1), logNoiseLevel(Double(lastStep)))
  }

  /// √ᾱ and √(1−ᾱ) at t in [1, `lastStep`]; at a step, T too, those of the table, bit by bit.
  public func forwardCoefficients(_ t: Double) -> (x0: Double, noise: Double) {
    if let step = Int(exactly: t) { return schedule.forwardCoefficients(step) }
    let logAlpha = logAlpha(t)
    return (exp(logAlpha / 2), (-expm1(logAlpha)).squareRoot())
  }

  /// τ = log σ̃ at t in [1, `lastStep`].
  public func logNoiseLevel(_ t: Double) -> Double {
    let logAlpha = logAlpha(t)
    let variance = Int(exactly: t).map(schedule.noiseVariance) ?? -expm1(logAlpha)
    return 0.5 * (log(variance) - logAlpha)
  }

  /// t of a τ; the first and the last step for what lies outside.
  public func step(logNoiseLevel: Double) -> Double {
    // log ᾱ = −log(1 + σ̃²).
    let logAlpha =
      logNoiseLevel < 0
      ? -log1p(exp(2 * logNoiseLevel)) : -2 * logNoiseLevel - log1p(exp(-2 * logNoiseLevel))
    guard logAlpha < logAlphas[0] else { return 1 }
    guard logAlpha > logAlphas[lastStep - 1] else { return Double(lastStep) }
    // log ᾱ lies below that of step `low` and not below that of step `high`.
    var (low, high) = (1, lastStep)
    while high - low > 1 {
      let middle = (low + high) / 2
      if logAlpha < logAlphas[middle - 1] { low = middle } else { high = middle }
    }
    let (above, below) = (logAlphas[low - 1], logAlphas[high - 1])
    return Double(low) + (above - logAlpha) / (above - below)
  }

  /// The number that stands for t at the network's input: t − 1, or on a respaced schedule what lies
  /// between the numbers of its steps; where the network is told the noise level, that of t.
  public func timestep(_ t: Double) -> Double {
    if let step = Int(exactly: t) { return schedule.timestep(step) }
    if case .noiseLevel(let clock) = schedule.clock { return clock.timestep(2 * logNoiseLevel(t)) }
    let (low, share) = place(t)
    let first = schedule.timestep(low)
    return share == 0 ? first : first + share * (schedule.timestep(low + 1) - first)
  }

  private func logAlpha(_ t: Double) -> Double {
    let (low, share) = place(t)
    let first = logAlphas[low - 1]
    return share == 0 ? first : first + share * (logAlphas[low] - first)
  }

  /// The step at or before t, and how far t is on the way to the next.
  private func place(_ t: Double) -> (step: Int, share: Double) {
    precondition(
      t >= 1 && t <= Double(lastStep), "A time lies between the first and the last step.")
    let low = t.rounded(.down)
    return (Int(low), t - low)
  }
}
