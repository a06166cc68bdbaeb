// Settings: the diffusion process, and what the network is trained towards.

import Diffusion
import Models

/// The process of a denoising diffusion model.
public struct DiffusionSettings: SettingsSection {
  /// How the variances β_t grow; `NoiseSchedule.Kind` says what each is.
  public enum Schedule: String, CaseIterable, Sendable {
    /// From `betaStart` to `betaEnd` in equal steps.
    case linear
    /// ᾱ falls as a squared cosine.
    case cosine
    /// ᾱ falls as a sigmoid.
    case sigmoid
    /// √β from that of `betaStart` to that of `betaEnd` in equal steps.
    case quadratic
    /// `betaEnd` at every step.
    case constant
    /// 1/T, 1/(T−1), …, 1.
    case jsd
    /// From `betaStart` to `betaEnd` over a tenth of the steps, and then the same.
    case warmup10
    /// From `betaStart` to `betaEnd` over half of the steps, and then the same.
    case warmup50
    /// The numbers of `betas`.
    case list
  }

  /// How the squared error is weighted over t.
  public enum Weighting: String, CaseIterable, Sendable {
    /// Not at all.
    case none
    /// As min(SNR, γ) weights the error of x̂_0.
    case minSNR = "min_snr"
    /// As 1/(k + SNR)^γ weights the error of ε̂.
    case p2
  }

  /// The number T of diffusion steps.
  public var steps = 200
  /// How the variances grow.
  public var schedule = Schedule.cosine
  /// β_1 of the schedules that begin there.
  public var betaStart = 1e-4
  /// β_T of the schedules that end there.
  public var betaEnd = 0.02
  /// β_1 … β_T of the schedule `list`.
  public var betas: [Double] = []
  /// Whether the schedule is shifted so that nothing is left of the image at T.
  public var zeroTerminalSNR = false
  /// What the network's output stands for.
  public var prediction = Prediction.epsilon
  /// The variance of a step of the reverse process.
  public var variance = ReverseVariance.fixedSmall
  /// What the network's output is trained towards.
  public var objective = DenoisingDiffusion.Target.simple
  /// How the squared error is weighted over t.
  public var weighting = Weighting.none
  /// γ of the weighting `min_snr`.
  public var minSNRGamma = 5.0
  /// γ of the weighting `p2`.
  public var p2Gamma = 1.0
  /// k of the weighting `p2`.
  public var p2K = 1.0
  /// How training draws t.
  public var timesteps = DenoisingDiffusion.TimestepSampling.uniform

  /// Those of the embedded digits.
  public init() {}

  /// The keys: the chain, what the network emits, what is minimised.
  public static let settings: [Setting<Self>] = [
    .integer("diffusion_steps", .model, \.steps, from: 2, to: 1_000_000, "diffusion steps T"),
    .choice("schedule", .model, \.schedule, "schedule of the variances beta_t"),
    .number(
      "beta_start", .model, \.betaStart, 1e-9...0.999, "beta_1 of linear, quadratic and warmup"),
    .number(
      "beta_end", .model, \.betaEnd, 1e-9...0.999,
      "beta_T of linear, quadratic, constant and warmup"),
    .numbers("betas", .model, \.betas, "beta_1 to beta_T of the schedule list"),
    .flag(
      "zero_terminal_snr", .model, \.zeroTerminalSNR,
      "shift the schedule so that nothing is left of the image at T"),
    .choice("prediction", .model, \.prediction, "what the network predicts"),
    .choice(
      "variance", .training, \.variance, among: [.fixedLarge, .fixedSmall, .learned],
      "variance of a reverse step; learned needs the objective hybrid or bound"),
    .choice(
      "objective", .training, \.objective,
      "training objective; hybrid is simple, with the bound for a learned variance"),
    .choice(
      "weighting", .training, \.weighting, "weight of the squared error of simple and hybrid at t"),
    .number("min_snr_gamma", .training, \.minSNRGamma, 1e-3...1e6, "gamma of min_snr"),
    .number("p2_gamma", .training, \.p2Gamma, 0...10, "gamma of p2"),
    .number("p2_k", .training, \.p2K, 1e-6...1e6, "k of p2"),
    .choice("timestep_sampling", .model, \.timesteps, "how each training image's t is drawn"),
  ]

  /// The weight of the squared error at each step.
  var lossWeighting: LossWeighting {
    switch weighting {
    case .none: .none
    case .minSNR: .minSNR(gamma: minSNRGamma)
    case .p2: .p2(k: p2K, gamma: p2Gamma)
    }
  }

  private var kind: NoiseSchedule.Kind {
    switch schedule {
    case .linear: .linear(from: betaStart, to: betaEnd)
    case .cosine: .cosine
    case .sigmoid: .sigmoid
    case .quadratic: .quadratic(from: betaStart, to: betaEnd)
    case .constant: .constant(betaEnd)
    case .jsd: .jsd
    case .warmup10: .warmup(from: betaStart, to: betaEnd, share: 0.1)
    case .warmup50: .warmup(from: betaStart, to: betaEnd, share: 0.5)
    case .list: .list(betas)
    }
  }

  /// The forward process.
  ///
  /// - Throws: `ConfigurationError` for settings that contradict each other; `DiffusionError`.
  package func chain() throws -> NoiseSchedule {
    let risesFromStart: Set<Schedule> = [.linear, .quadratic, .warmup10, .warmup50]
    if risesFromStart.contains(schedule), betaStart > betaEnd {
      throw ConfigurationError(
        source: "beta_start", reason: "is larger than beta_end; noise must not shrink.")
    }
    if schedule != .list, !betas.isEmpty {
      throw ConfigurationError(
        source: "betas",
        reason: "are of no use to the schedule \(schedule.rawValue); set schedule=list.")
    }
    let chain = try NoiseSchedule(validating: kind, steps: steps)
    return zeroTerminalSNR ? try chain.withZeroTerminalSNR() : chain
  }

  /// The process of images with so many grey levels, 0 for continuous ones.
  ///
  /// - Throws: `ConfigurationError` for settings that contradict each other; `DiffusionError`.
  func process(levels: Int) throws -> GaussianDiffusion {
    let chain = try chain()
    if let defect = objective.defect(variance: variance, weighting: lossWeighting) {
      throw ConfigurationError(source: "objective", reason: defect)
    }
    if chain.hasZeroTerminalSNR, prediction == .epsilon { throw DiffusionError.noiseAloneAtTheEnd }
    return GaussianDiffusion(
      schedule: chain, prediction: prediction, variance: variance,
      levels: levels == 0 ? nil : levels)
  }
}
