// The tables of the forward process, computed once, in Double.

import Foundation

/// How much noise each step of the forward process adds, with every table that follows from it.
///
/// The forward process is q(x_t | x_{t−1}) = N(√α_t x_{t−1}, β_t I) with α_t = 1 − β_t, hence
/// q(x_t | x_0) = N(√ᾱ_t x_0, (1−ᾱ_t) I) with ᾱ_t = Π_{s≤t} α_s (Ho et al. 2020, eqs. 2 and 4).
/// Steps are numbered t = 1 … T everywhere, and ᾱ_0 = 1. Tables are computed once, in Double.
public struct NoiseSchedule: Sendable, Equatable {
  /// The variances β_1 … β_T; β_t is at index t − 1.
  public let betas: [Double]

  /// ᾱ_0 … ᾱ_T; ᾱ_t is at index t.
  private let cumulativeAlphas: [Double]

  /// 1 − ᾱ_0 … 1 − ᾱ_T; 1 − ᾱ_t is at index t.
  private let noiseVariances: [Double]

  /// How the network is told which step it is asked at.
  let clock: NetworkClock

  /// The schedule with these β_1 … β_T, each strictly between 0 and 1; the last may be 1.
  public init(betas: [Double]) {
    self.init(betas: betas, clock: .steps(Array(betas.indices)))
  }

  /// The schedule with these β, checked: throws when there is none, one is not in (0, 1), or
  /// nothing is left of an image before the end, or at the end where β_T is not exactly 1.
  public init(validating betas: [Double]) throws(DiffusionError) {
    if let fault = Self.fault(in: betas) { throw fault }
    self.init(betas: betas)
    if let t = cumulativeAlphas.firstIndex(of: 0), t < steps || betas.last != 1 {
      throw .nothingLeft(t: t, steps: steps)
    }
  }

  /// The schedule whose network is told its steps in another way than as 0 … T − 1.
  init(betas: [Double], clock: NetworkClock) {
    if let fault = Self.fault(in: betas) { preconditionFailure(fault.description) }
    if case .steps(let numbers) = clock {
      precondition(
        numbers.count == betas.count, "Every step needs its number at the input of the network.")
    }
    // 1 − ᾱ_t by the addition of variances, not by subtraction: exact at t = 1, where ᾱ_t is
    // close to 1 and the subtraction would lose digits.
    var cumulativeAlphas = [1.0]
    var noiseVariances = [0.0]
    for (index, beta) in betas.enumerated() {
      cumulativeAlphas.append((1 - beta) * cumulativeAlphas[index])
      noiseVariances.append((1 - beta) * noiseVariances[index] + beta)
    }
    self.betas = betas
    self.cumulativeAlphas = cumulativeAlphas
    self.noiseVariances = noiseVariances
    self.clock = clock
  }

  /// The number of steps T.
  public var steps: Int { betas.count }

  /// Whether nothing is left of the image at step T: ᾱ_T = 0 (Lin et al. 2024, section 3.1).
  public var hasZeroTerminalSNR: Bool { cumulativeAlpha(steps) == 0 }

  /// β_t, the variance that step t adds, for t in 1 … T.
  public func beta(_ t: Int) -> Double { betas[index(t)] }

  /// α_t = 1 − β_t, for t in 1 … T.
  public func alpha(_ t: Int) -> Double { 1 - beta(t) }

  /// ᾱ_t = α_1 ⋯ α_t, the plain product, for t in 0 … T (ᾱ_0 = 1).
  public func cumulativeAlpha(_ t: Int) -> Double {
    precondition(t >= 0 && t <= steps, "A cumulative product is of step 0 to T.")
    return cumulativeAlphas[t]
  }

  /// 1 − ᾱ_t, the variance of x_t given x_0, for t in 0 … T.
  public func noiseVariance(_ t: Int) -> Double {
    precondition(t >= 0 && t <= steps, "A noise variance is of step 0 to T.")
    return noiseVariances[t]
  }

  /// √ᾱ_t and √(1−ᾱ_t): x_t = `x0` x_0 + `noise` ε with ε ~ N(0, I).
  ///
  /// Source: Ho et al. 2020, eq. 4.
  public func forwardCoefficients(_ t: Int) -> (x0: Double, noise: Double) {
    (cumulativeAlpha(t).squareRoot(), noiseVariance(t).squareRoot())
  }

  /// β̃_t = (1−ᾱ_{t−1}) β_t / (1−ᾱ_t), the variance of x_{t−1} given x_t and x_0.
  ///
  /// It is 0 at t = 1, where x_0 is given. Source: Ho et al. 2020, eq. 7.
  public func posteriorVariance(_ t: Int) -> Double {
    noiseVariance(t - 1) * beta(t) / noiseVariance(t)
  }

  /// The posterior mean μ̃_t = `x0` x_0 + `xt` x_t.
  ///
  /// x0 = √ᾱ_{t−1} β_t / (1−ᾱ_t), xt = √α_t (1−ᾱ_{t−1}) / (1−ᾱ_t); at t = 1 these are
  /// exactly 1 and 0. Source: Ho et al. 2020, eq. 7.
  public func posteriorMeanCoefficients(_ t: Int) -> (x0: Double, xt: Double) {
    let variance = noiseVariance(t)
    return (
      cumulativeAlpha(t - 1).squareRoot() * beta(t) / variance,
      alpha(t).squareRoot() * noiseVariance(t - 1) / variance
    )
  }

  /// The number that stands for step t at the network's input: t − 1, that is 0 … T − 1, or what the
  /// clock says of the noise level.
  ///
  /// Ho's code and every checkpoint ported from it count so; this is the one place that says it.
  /// A respaced schedule gives the number that the step had when the network was trained.
  public func timestep(_ t: Int) -> Double {
    switch clock {
    case .steps(let numbers): Double(numbers[index(t)])
    case .noiseLevel(let clock): clock.timestep(log(noiseVariance(t) / cumulativeAlpha(t)))
    }
  }

  /// Whether the steps are a subset of those that the network was trained on, by their numbers.
  public var isRespaced: Bool {
    if case .steps(let numbers) = clock { numbers != Array(betas.indices) } else { false }
  }

  /// The place of step t in an array of T elements.
  private func index(_ t: Int) -> Int {
    precondition(t >= 1 && t <= steps, "A step is numbered 1 to T.")
    return t - 1
  }

  /// The first reason why these β are no schedule.
  private static func fault(in betas: [Double]) -> DiffusionError? {
    if betas.isEmpty { return .noSteps(0) }
    for (index, beta) in betas.enumerated() where !(beta > 0 && beta < 1) {
      // β_T = 1 leaves nothing of the image: a signal-to-noise ratio of zero.
      if beta == 1, index == betas.count - 1 { continue }
      return .invalidBeta(t: index + 1, value: beta)
    }
    return nil
  }
}
