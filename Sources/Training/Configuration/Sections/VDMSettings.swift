// Settings: the noise schedule of a variational diffusion model, and how its network sees grey levels.

import Diffusion
import Foundation
import Models

/// What a variational diffusion model has in the place of `DiffusionSettings`.
public struct VDMSettings: SettingsSection {
  /// What is learned of the noise schedule.
  public var learning = VariationalDiffusion.Learning.monotone
  /// γ_0, before training where it is learned; nil: by the grey levels.
  public var first: Double?
  /// γ_1, before training where it is learned.
  public var last = 5.0
  /// T; 0: continuous time.
  public var steps = 0
  /// Whether the network sees waves of the noisy image beside it, by which near levels differ.
  public var fourierFeatures = true

  /// Those for grey levels.
  public init() {}

  /// The keys: the schedule, its steps, the network's input.
  public static let settings: [Setting<Self>] = [
    .choice("gamma_schedule", .model, \.learning, "what is learned of the schedule of vdm"),
    .number(
      "gamma_min", .model, \.first, -30...30,
      "gamma_0 = -log SNR where there is least noise; auto: -2 log(4 (levels - 1))"),
    .number("gamma_max", .model, \.last, -30...30, "gamma_1, where there is most noise"),
    .integer(
      "vdm_steps", .model, \.steps, from: 0, to: 1_000_000,
      "steps T of the bound of vdm; 0: continuous time"),
    .flag(
      "fourier_features", .model, \.fourierFeatures,
      "show vdm's network waves of the noisy image beside it; for grey levels"),
  ]

  /// n of the waves sin(2^n π z) and cos(2^n π z) for K grey levels: those of n = log₂((K−1)/2), rounded,
  /// change their sign from level to level, and those of n + 1 have the levels' distance as their period.
  ///
  /// Kingma et al. 2021 take 7 and 8 for 256 levels.
  static func fourierExponents(levels: Int) -> [Int] {
    let first = Int(log2(Double(levels - 1) / 2).rounded())
    return [first, first + 1]
  }

  /// γ_0, γ_1 and the exponents of the waves for images of so many grey levels, 0 for continuous ones.
  ///
  /// - Throws: `ConfigurationError` for settings that contradict each other or the images.
  func resolved(
    levels: Int
  ) throws(ConfigurationError) -> (first: Double, last: Double, fourierExponents: [Int]) {
    guard levels <= LevelSoftmax.mostLevels else {
      throw ConfigurationError(
        source: "model",
        reason: "vdm weighs the levels of a pixel against each other, and does so with at most "
          + "\(LevelSoftmax.mostLevels); these images have \(levels). Set model=ddpm.")
    }
    if levels == 0, fourierFeatures {
      throw ConfigurationError(
        source: "fourier_features",
        reason:
          "tell grey levels apart, and these images are continuous; set fourier_features=false.")
    }
    guard let first = first ?? (levels > 0 ? GammaSchedule.first(levels: levels) : nil) else {
      throw ConfigurationError(
        source: "gamma_min",
        reason: "is auto by the grey levels, and these images are continuous; give it, as in "
          + "gamma_min=-13.3.")
    }
    guard first < last else {
      throw ConfigurationError(
        source: "gamma_min", reason: "is \(first), not below gamma_max, \(last); noise must grow.")
    }
    if steps > 0, learning != .linear {
      throw ConfigurationError(
        source: "gamma_schedule",
        reason: "\(learning.rawValue) is learned in continuous time; set vdm_steps=0, or "
          + "gamma_schedule=linear.")
    }
    return (first, last, fourierFeatures ? Self.fourierExponents(levels: levels) : [])
  }
}
