// The list of samplers: their names, what they are told, and how they are made.

/// One sampler of the list.
public struct SamplerKind: Sendable {
  /// The name on the command line.
  public let name: String
  /// What it does, in one line.
  public let help: String
  /// The options that it knows.
  public let options: Set<String>
  let make: @Sendable (SampledProcess, SamplerOptions) throws -> any Sampler

  /// Every sampler; the first is the default.
  public static let all: [SamplerKind] = [
    .ancestral, .ddim, .analyticDDIM, .dpmSolver, .sdeDPMSolver, .uniPC, .heun, .euler, .rk45,
    .predictorCorrector,
  ]

  /// The sampler of a name.
  ///
  /// - Throws: `SamplerError.unknown`.
  public init(named name: String) throws(SamplerError) {
    guard let kind = Self.all.first(where: { $0.name == name }) else { throw .unknown(name) }
    self = kind
  }

  /// - Parameter options: Those that it knows beside `steps` and `grid`.
  init(
    _ name: String, help: String, options: Set<String> = [], hasGrid: Bool = true,
    make: @escaping @Sendable (SampledProcess, SamplerOptions) throws -> any Sampler
  ) {
    self.name = name
    self.help = help
    self.options = options.union(hasGrid ? ["steps", "grid"] : ["steps"])
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
    try options.check()
    if let option = options.names.subtracting(self.options).sorted().first {
      throw SamplerError.foreignOption(option, sampler: name)
    }
    return try make(process, options)
  }
}
