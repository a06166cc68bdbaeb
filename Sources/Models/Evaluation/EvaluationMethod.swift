// The list of ways to evaluate a denoising diffusion model.

import Diffusion

extension DenoisingDiffusion: Likelihood {
  /// One way to evaluate images: a file, and a word in `all`.
  public struct EvaluationMethod: Sendable {
    /// The name on the command line.
    public let name: String
    /// What it does, in one line.
    public let help: String
    /// The options that it knows.
    public let options: Set<String>
    let make: @Sendable (DenoisingDiffusion, EvaluationOptions) throws -> any Evaluation

    /// Every method; the first is the default.
    public static let all: [EvaluationMethod] = [.bound, .neighbours, .flow]

    /// The method of a name.
    ///
    /// - Throws: `EvaluationError.unknown`.
    init(named name: String) throws(EvaluationError) {
      guard let method = Self.all.first(where: { $0.name == name }) else { throw .unknown(name) }
      self = method
    }

    init(
      _ name: String, help: String, options: Set<String>,
      make: @escaping @Sendable (DenoisingDiffusion, EvaluationOptions) throws -> any Evaluation
    ) {
      (self.name, self.help, self.options, self.make) = (name, help, options, make)
    }
  }

  /// The bound, or another method.
  public func evaluation(_ options: EvaluationOptions) throws -> any Evaluation {
    let method = try options.method.map(EvaluationMethod.init(named:)) ?? EvaluationMethod.all[0]
    if let option = options.names.subtracting(method.options).sorted().first {
      throw EvaluationError.foreignOption(option, method: method.name)
    }
    return try told(method.make(self, options), options)
  }

  /// The variances that a user asks for, or all that the model has, its own first.
  ///
  /// - Throws: `EvaluationError.missingVariance`.
  func variances(_ options: EvaluationOptions) throws(EvaluationError) -> [ReverseVariance] {
    func has(_ variance: ReverseVariance) -> Bool {
      switch variance {
      case .fixedLarge, .fixedSmall: true
      case .learned: diffusion.variance == .learned
      case .analytic: noiseNorms != nil
      }
    }
    if let missing = options.variances.first(where: { !has($0) }) {
      throw .missingVariance(missing)
    }
    if !options.variances.isEmpty { return options.variances }
    let own = diffusion.variance
    return [own] + ReverseVariance.allCases.filter { $0 != own && has($0) }
  }

  /// The steps that are visited.
  ///
  /// - Throws: `DiffusionError`.
  func visitedSteps(
    _ rule: TimestepGrid, _ options: EvaluationOptions
  ) throws(DiffusionError) -> [Int] {
    let steps = try rule.steps(options.steps, of: diffusion.schedule)
    if steps.count < diffusion.schedule.steps, diffusion.prediction == .mean {
      throw .meanPredictionNeedsEveryStep
    }
    return steps
  }
}

/// The faults that a user's options can cause here.
public enum EvaluationError: Error, Equatable, CustomStringConvertible {
  /// There is no method of this name.
  case unknown(String)
  /// An option that this method has no use for.
  case foreignOption(String, method: String)
  /// A variance that the model's network or its checkpoint does not have.
  case missingVariance(ReverseVariance)
  /// A variance that this method cannot work with.
  case unfitVariance(ReverseVariance, method: String)
  /// Steps that dynamic programming cannot choose.
  case noOptimum(String)
  /// A network that predicts the mean is asked for its flow.
  case flowBetweenSteps
  /// A model that is not told what images show, and is to be told or not.
  case notConditional
  /// A number beyond what an option takes.
  case invalid(option: String, needs: String)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .unknown(let name):
      "There is no method '\(name)': choose one of "
        + DenoisingDiffusion.EvaluationMethod.all.map(\.name).joined(separator: ", ") + "."
    case .foreignOption("importance-samples", _):
      "--importance-samples is for a model=vae or hierarchical_vae: leave it out."
    case .foreignOption(let option, let method):
      "The method \(method) has no use for --\(option): leave it out, or choose "
        + DenoisingDiffusion.EvaluationMethod.all.filter { $0.options.contains(option) }
        .map(\.name).joined(separator: " or ") + "."
    case .missingVariance(.analytic):
      "The checkpoint has no analytic variance for these weights: estimate it with ddpm-dist "
        + "estimate-variance, or choose another --variance."
    case .missingVariance(let variance):
      "The model has no \(variance.rawValue) variance: choose fixed_small or fixed_large with "
        + "--variance."
    case .unfitVariance(let variance, let method):
      "The method \(method) takes one fixed variance, not \(variance.rawValue): choose "
        + "--variance fixed_small or fixed_large."
    case .noOptimum(let reason): "The grid optimal \(reason)."
    case .flowBetweenSteps:
      "The flow runs between the steps, and a network that predicts the mean knows whole steps only: "
        + "choose another method."
    case .notConditional:
      "The model was trained without a condition and is not told what images show: leave --condition "
        + "out."
    case .invalid(let option, let needs): "--\(option) needs \(needs)."
    }
  }
}
