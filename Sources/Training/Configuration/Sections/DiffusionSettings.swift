// Settings: the diffusion process, and what the network is trained towards.

import Diffusion
import Models

/// The process of a denoising diffusion model.
public struct DiffusionSettings: SettingsSection {
  /// How the variances β_t grow.
  public enum Schedule: String, CaseIterable, Sendable {
    /// From `betaStart` to `betaEnd` in equal steps (Ho, Jain, Abbeel 2020, section 4).
    case linear
    /// The cosine schedule (Nichol, Dhariwal 2021, equation 17).
    case cosine
  }

  /// The number T of diffusion steps.
  public var steps = 200
  /// How the variances grow.
  public var schedule = Schedule.cosine
  /// β_1 of the linear schedule.
  public var betaStart = 1e-4
  /// β_T of the linear schedule.
  public var betaEnd = 0.02
  /// What the network's output stands for.
  public var prediction = Prediction.epsilon
  /// The variance of a step of the reverse process.
  public var variance = ReverseVariance.fixedSmall
  /// What the network's output is trained towards.
  public var objective = DenoisingDiffusion.Target.simple

  /// Those of the embedded digits.
  public init() {}

  /// The keys: the chain, what the network emits, what is minimised.
  public static let settings: [Setting<Self>] = [
    .integer("diffusion_steps", .model, \.steps, from: 2, to: 1_000_000, "diffusion steps T"),
    .choice("schedule", .model, \.schedule, "schedule of the variances beta_t"),
    .number("beta_start", .model, \.betaStart, 1e-9...0.999, "beta_1 of the linear schedule"),
    .number("beta_end", .model, \.betaEnd, 1e-9...0.999, "beta_T of the linear schedule"),
    .choice("prediction", .model, \.prediction, "what the network predicts"),
    .choice("variance", .training, \.variance, "variance of a reverse step"),
    .choice("objective", .training, \.objective, "training objective"),
  ]

  /// The process of images with so many grey levels, 0 for continuous ones.
  ///
  /// - Throws: `ConfigurationError` for noise that shrinks; `DiffusionError`.
  func process(levels: Int) throws -> GaussianDiffusion {
    if schedule == .linear, betaStart > betaEnd {
      throw ConfigurationError(
        source: "beta_start", reason: "is larger than beta_end; noise must not shrink.")
    }
    let kind: NoiseSchedule.Kind =
      schedule == .linear ? .linear(from: betaStart, to: betaEnd) : .cosine
    return GaussianDiffusion(
      schedule: try NoiseSchedule(validating: kind, steps: steps), prediction: prediction,
      variance: variance, levels: levels == 0 ? nil : levels)
  }
}
