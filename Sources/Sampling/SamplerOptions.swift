// What a user may tell a sampler.

import Diffusion

/// What a user may tell a sampler; nil: as the sampler sees fit.
public struct SamplerOptions: Equatable, Sendable {
  /// The number of steps; nil: the sampler's default.
  public var steps: Int?
  /// Which steps.
  public var grid: TimestepGrid?
  /// The share of the ancestral noise, 0 to 1.
  public var eta: Double?
  /// The variance of a reverse step.
  public var variance: ReverseVariance?
  /// The order of a solver, 1 to 3.
  public var order: Int?
  /// The error that a solver may make in a step.
  public var tolerance: Double?
  /// The size of a corrector's noise in units of the score's, 0 or more.
  public var snr: Double?

  /// Nothing is said.
  public init() {}

  /// The options that are set, by their names on the command line.
  package var names: Set<String> {
    Set(
      [
        ("steps", steps != nil), ("grid", grid != nil), ("eta", eta != nil),
        ("variance", variance != nil), ("order", order != nil), ("tolerance", tolerance != nil),
        ("snr", snr != nil),
      ].filter(\.1).map(\.0))
  }

  /// Refuses numbers that no sampler takes.
  ///
  /// - Throws: `SamplerError.invalid`.
  public func check() throws(SamplerError) {
    func require(_ isValid: Bool?, _ option: String, _ needs: String, _ value: Any?)
      throws(SamplerError)
    {
      guard isValid == false, let value else { return }
      throw .invalid(option: option, needs: needs, value: "\(value)")
    }
    try require(steps.map { $0 >= 1 }, "steps", "at least 1", steps)
    try require(eta.map((0...1).contains), "eta", "a number from 0 to 1", eta)
    try require(order.map((1...3).contains), "order", "1, 2 or 3", order)
    try require(
      tolerance.map { $0 >= 1e-12 && $0 <= 0.1 }, "tolerance", "a number from 1e-12 to 0.1",
      tolerance)
    try require(snr.map((0...1).contains), "snr", "a number from 0 to 1", snr)
  }
}

/// The faults that a user's options can cause here.
public enum SamplerError: Error, Equatable, CustomStringConvertible {
  /// There is no sampler of this name.
  case unknown(String)
  /// An option that this sampler has no use for.
  case foreignOption(String, sampler: String)
  /// A number that no sampler takes.
  case invalid(option: String, needs: String, value: String)
  /// A variance that the model's network or its checkpoint does not have.
  case missingVariance(ReverseVariance)
  /// A sampler that asks between the steps, of a network that knows whole steps only.
  case wholeStepsOnly(sampler: String)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .unknown(let name):
      "There is no sampler '\(name)': choose one of "
        + SamplerKind.all.map(\.name).joined(separator: ", ") + "."
    case .foreignOption(let option, let sampler):
      "The sampler \(sampler) has no use for --\(option): leave it out, or choose "
        + SamplerKind.all.filter { $0.options.contains(option) }.map(\.name)
        .joined(separator: " or ") + "."
    case .invalid(let option, let needs, let value):
      "--\(option) needs \(needs), not \(value)."
    case .missingVariance(.analytic):
      "The checkpoint has no analytic variance for these weights: estimate it with ddpm-dist "
        + "estimate-variance, or choose another --variance or --sampler."
    case .missingVariance(let variance):
      "The model has no \(variance.rawValue) variance: choose fixed_small or fixed_large with "
        + "--variance."
    case .wholeStepsOnly(let sampler):
      "The sampler \(sampler) asks the network between the steps of its training, and one that "
        + "predicts the mean knows whole steps only: choose ddim or dpm-solver++."
    }
  }
}
