// Our process as scheduler/scheduler_config.json of diffusers' DDPMScheduler, and back.

import Diffusion
import Foundation
import Models
import Storage

/// What `scheduler_config.json` says of a process.
package struct DiffusersScheduler {
  /// The settings, but for those of training.
  package var settings: DiffusionSettings
  /// Whether samplers force x̂_0 into [−1, 1].
  package var clips = true

  /// The schedulers that a network of such a process can have been saved with: all have these β.
  private static let classNames = [
    "DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
  ]
  private static let predictions: [(Prediction, String)] = [
    (.epsilon, "epsilon"), (.x0, "sample"), (.v, "v_prediction"),
  ]
  /// The variances that are written come first.
  private static let variances: [(ReverseVariance, String)] = [
    (.fixedLarge, "fixed_large"), (.fixedSmall, "fixed_small"), (.learned, "learned_range"),
    (.fixedSmall, "fixed_small_log"),
  ]

  // MARK: Writing

  /// The file of a process.
  ///
  /// A linear schedule is said by its ends, any other one by its numbers. The learned variance is
  /// diffusers' `learned_range`: log σ² = f log β_t + (1−f) log β̃_t with f = (v + 1)/2 for both.
  ///
  /// - Parameter schedule: That of the settings.
  /// - Throws: `DiffusersError` for a process that it cannot say.
  package static func file(
    _ settings: DiffusionSettings, _ schedule: NoiseSchedule
  ) throws(DiffusersError) -> JSONValue {
    guard let prediction = predictions.first(where: { $0.0 == settings.prediction })?.1,
      let variance = variances.first(where: { $0.0 == settings.variance })?.1
    else { throw .meanPrediction }
    let isLinear = settings.schedule == .linear && !settings.zeroTerminalSNR
    let file: JSONValue = .object([
      "_class_name": .text(classNames[0]), "_diffusers_version": .text(diffusersVersion),
      "beta_end": .number(isLinear ? settings.betaEnd : 0.02), "beta_schedule": "linear",
      "beta_start": .number(isLinear ? settings.betaStart : 1e-4), "clip_sample": true,
      "clip_sample_range": 1, "dynamic_thresholding_ratio": 0.995,
      "num_train_timesteps": JSONValue(schedule.steps), "prediction_type": .text(prediction),
      // Where nothing is left at the end, solvers in the logarithm of noise must know.
      "rescale_betas_zero_snr": .flag(schedule.hasZeroTerminalSNR),
      "sample_max_value": 1, "steps_offset": 0, "thresholding": false,
      "timestep_spacing": "trailing",
      "trained_betas": isLinear ? nil : .list(schedule.betas.map { .number($0) }),
      "variance_type": .text(variance),
    ])
    guard file.string(pretty: true).utf8.count <= JSONValue.largestFile else {
      throw .tooManySteps(schedule.steps)
    }
    return file
  }

  // MARK: Reading

  /// What a file says.
  ///
  /// - Parameters:
  ///   - base: What else is known of the process, and of how it was trained.
  ///   - learnsVariance: Whether the network emits twice the channels of an image.
  /// - Throws: `StorageError.badData` that names the key and the value that our process cannot have.
  package init(
    _ file: DiffusersSettings, base: DiffusionSettings?, learnsVariance: Bool
  ) throws(StorageError) {
    try file.require("_class_name", .text(Self.classNames[0]), Self.classNames.map { .text($0) })
    try file.require("thresholding", false, [false])
    try file.require("clip_sample_range", 1, [1])
    clips = file.value("clip_sample", true) != false
    var settings = base ?? DiffusionSettings()
    settings.steps = try file.integer("num_train_timesteps", 1000, in: 2...1_000_000)
    try Self.readSchedule(file, &settings, hasBase: base != nil)
    let prediction = file.value("prediction_type", "epsilon")
    guard let known = Self.predictions.first(where: { .text($0.1) == prediction }) else {
      throw file.refusal(
        "prediction_type", "epsilon",
        "\(Self.predictions.map(\.1).joined(separator: ", ")) are known")
    }
    settings.prediction = known.0
    if (try? settings.chain())?.hasZeroTerminalSNR == true, settings.prediction == .epsilon {
      let key =
        file.value("trained_betas", nil) == .null ? "rescale_betas_zero_snr" : "prediction_type"
      throw file.refusal(
        key, "epsilon",
        "a schedule that leaves nothing of an image needs prediction_type sample or v_prediction")
    }
    settings.variance = try Self.variance(file, base: base, learnsVariance: learnsVariance)
    if settings.objective.defect(variance: settings.variance, weighting: settings.lossWeighting)
      != nil
    {
      settings.objective = settings.variance == .learned ? .hybrid : .simple
      settings.weighting = .none
    }
    self.settings = settings
  }

  /// β_1 … β_T by their rule.
  ///
  /// Numbers that are those of the base keep its words: a cosine stays one.
  private static func readSchedule(
    _ file: DiffusersSettings, _ settings: inout DiffusionSettings, hasBase: Bool
  ) throws(StorageError) {
    let base = settings
    settings.zeroTerminalSNR = file.value("rescale_betas_zero_snr", false) == true
    settings.betas = []
    let range = 1e-9...0.999
    let (start, end) = (
      try file.number("beta_start", 1e-4, in: range), try file.number("beta_end", 0.02, in: range)
    )
    func takeEnds(_ schedule: DiffusionSettings.Schedule) {
      (settings.schedule, settings.betaStart, settings.betaEnd) = (schedule, start, end)
    }
    let rule = file.value("beta_schedule", "linear")
    if file.value("trained_betas", nil) != .null {
      settings.schedule = .list
      settings.betas = try file.list("trained_betas", "numbers", upTo: settings.steps, \.number)
    } else if rule == "linear" {
      takeEnds(.linear)
    } else if rule == "scaled_linear" {
      takeEnds(.quadratic)
    } else if rule == "squaredcos_cap_v2" {
      settings.schedule = .cosine
    } else if rule == "sigmoid" {
      // A sigmoid of β, not ours of ᾱ.
      settings.schedule = .list
      settings.betas = (0..<settings.steps).map {
        let x = -6 + 12 * Double($0) / Double(settings.steps - 1)
        return start + (end - start) / (1 + exp(-x))
      }
    } else {
      throw file.refusal(
        "beta_schedule", "linear",
        "linear, scaled_linear, squaredcos_cap_v2, sigmoid and trained_betas are known")
    }
    let key = settings.schedule == .list ? "trained_betas" : "beta_schedule"
    let found: [Double]
    do {
      found = try settings.chain().betas
    } catch {
      throw file.refusal(key, "linear", "\(error)")
    }
    guard hasBase, let own = try? base.chain().betas,
      own.count == found.count, zip(own, found).allSatisfy({ abs($0 - $1) <= 1e-6 * $1 })
    else { return }
    (settings.schedule, settings.betas) = (base.schedule, base.betas)
    (settings.betaStart, settings.betaEnd) = (base.betaStart, base.betaEnd)
    settings.zeroTerminalSNR = base.zeroTerminalSNR
  }

  private static func variance(
    _ file: DiffusersSettings, base: DiffusionSettings?, learnsVariance: Bool
  ) throws(StorageError) -> ReverseVariance {
    let key = "variance_type"
    let isSaid = file.values[key] != nil
    guard isSaid || [nil, "DDPMScheduler"].contains(file.values["_class_name"]?.text) else {
      // Schedulers that have no variance of their own say nothing of the network's.
      let fixed = base.map { $0.variance == .learned ? .fixedLarge : $0.variance } ?? .fixedLarge
      return learnsVariance ? .learned : fixed
    }
    let found = file.value(key, "fixed_small")
    guard let known = variances.first(where: { .text($0.1) == found }) else {
      throw file.refusal(
        key, "fixed_small", "\(variances.map(\.1).joined(separator: ", ")) are known")
    }
    guard (known.0 == .learned) == learnsVariance else {
      throw file.refusal(
        key, "fixed_small",
        learnsVariance
          ? "a network of twice the channels has learned_range"
          : "it needs a network with out_channels twice in_channels")
    }
    return known.0
  }
}
