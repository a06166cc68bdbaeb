// The list of samplers: their names, what they are told, and how they are made.

import Diffusion

/// What a user may tell a sampler; nil: as the sampler sees fit.
public struct SamplerOptions: Equatable, Sendable {
  /// The number of steps; nil: all of the training.
  public var steps: Int?
  /// Which steps.
  public var grid: TimestepGrid?
  /// The share of the ancestral noise, 0 to 1.
  public var eta: Double?
  /// The variance of a reverse step.
  public var variance: ReverseVariance?

  /// Nothing is said.
  public init() {}

  /// The options that are set, beside steps and grid, by their names on the command line.
  fileprivate var names: Set<String> {
    Set([("eta", eta != nil), ("variance", variance != nil)].filter(\.1).map(\.0))
  }
}

/// One sampler of the list.
public struct SamplerKind: Sendable {
  /// The name on the command line.
  public let name: String
  /// What it does, in one line.
  public let help: String
  /// The options that it knows beside `steps` and `grid`.
  public let options: Set<String>
  let make: @Sendable (SampledProcess, SamplerOptions) throws -> any Sampler

  /// Every sampler; the first is the default.
  public static let all: [SamplerKind] = [.ancestral, .ddim]

  /// The sampler of a name.
  ///
  /// - Throws: `SamplerError.unknown`.
  public init(named name: String) throws(SamplerError) {
    guard let kind = Self.all.first(where: { $0.name == name }) else { throw .unknown(name) }
    self = kind
  }

  init(
    _ name: String, help: String, options: Set<String>,
    make: @escaping @Sendable (SampledProcess, SamplerOptions) throws -> any Sampler
  ) {
    self.name = name
    self.help = help
    self.options = options
    self.make = make
  }

  /// Makes the sampler of a chain.
  ///
  /// - Parameters:
  ///   - process: The reverse process of the model.
  ///   - options: What the user says.
  /// - Throws: `SamplerError` and `DiffusionError` for options that cannot be followed.
  public func sampler(
    of process: SampledProcess, _ options: SamplerOptions
  ) throws -> any Sampler {
    if let option = options.names.subtracting(self.options).sorted().first {
      throw SamplerError.foreignOption(option, sampler: name)
    }
    return try make(process, options)
  }
}

/// The faults that a user's options can cause here.
public enum SamplerError: Error, Equatable, CustomStringConvertible {
  /// There is no sampler of this name.
  case unknown(String)
  /// An option that this sampler has no use for.
  case foreignOption(String, sampler: String)
  /// η outside of [0, 1].
  case invalidEta(Double)
  /// A variance that the model's network or its checkpoint does not have.
  case missingVariance(ReverseVariance)

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
    case .missingVariance(.analytic):
      "The checkpoint has no analytic variance for these weights: estimate it with ddpm-dist "
        + "estimate-variance, or choose another --variance."
    case .missingVariance(let variance):
      "The model has no \(variance.rawValue) variance: choose fixed_small or fixed_large with "
        + "--variance."
    case .invalidEta(let eta): "--eta needs a number from 0 to 1, not \(eta)."
    }
  }
}
