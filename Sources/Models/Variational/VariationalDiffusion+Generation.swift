// Drawing images from a variational diffusion model: its schedule as a table, for all that draws from tables.

import Diffusion
import Sampling

extension VariationalDiffusion: Generator {
  /// The steps of the table of a model that was trained in continuous time.
  private static let tableSteps = 1000

  /// The same network as a denoising diffusion model of the chain with γ(0), γ(1/T), …, γ(1): T + 1 steps,
  /// T = 1000 in continuous time. Its reverse step of the small variance is that of Kingma et al. 2021.
  ///
  /// - Throws: `DiffusionError` for weights whose schedule is none.
  func asDenoisingDiffusion() throws(DiffusionError) -> DenoisingDiffusion {
    let chain = try schedule.chain(steps: steps > 0 ? steps : Self.tableSteps, clock: clock)
    return DenoisingDiffusion(
      network: network,
      diffusion: GaussianDiffusion(
        schedule: chain, prediction: .epsilon, variance: .fixedSmall, levels: levels),
      target: .simple, conditionDrop: conditionDrop)
  }

  /// The reverse process by one of the samplers, for one of the tasks.
  ///
  /// The last step, of z_0, is x̂_0; what it is rounded to is the level that p(x|z_0) gives most mass, where
  /// γ_0 is that of `GammaSchedule.first(levels:)` or below.
  public func generation(_ options: GenerationOptions) throws -> any Generation {
    do {
      return try asDenoisingDiffusion().generation(options)
    } catch SamplerError.missingVariance(.analytic) {
      throw VariationalDiffusionError.analyticVariance
    }
  }
}

/// The faults that a user's options can cause here.
public enum VariationalDiffusionError: Error, Equatable, CustomStringConvertible {
  /// A sampler that needs a variance which is not estimated for this family.
  case analyticVariance
  /// A method of evaluation of another family.
  case method(String)
  /// An option that the evaluation of the bound has no use for.
  case option(String)
  /// Steps, or times of an image, beyond what there can be.
  case invalid(option: String, needs: String)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .analyticVariance:
      "The analytic variance is not estimated for models of this family: choose another --sampler or "
        + "--variance."
    case .method(let name):
      "The method \(name) is not for models of this family: choose bound or flow."
    case .option(let option):
      "The bound of a model of this family has no use for --\(option): leave it out."
    case .invalid(let option, let needs): "--\(option) needs \(needs)."
    }
  }
}
