// Settings: the optimizer and the moving averages.

import Parallel

/// How the weights follow the gradient.
public struct OptimizerSettings: SettingsSection {
  /// Adam's learning rate after the warm-up.
  public var learningRate = 2e-3
  /// The steps over which the learning rate grows from 0 to its value.
  public var warmupSteps = 20
  /// How the learning rate changes after the warm-up.
  public var learningRateSchedule = LearningRateSchedule.constant
  /// The step at which the cosine schedule ends; nil: not filled in yet, the last of the run.
  public var learningRateSteps: Int?
  /// The step from which `inverse_sqrt` lowers the rate; nil: the end of the warm-up.
  public var learningRateReference: Int?
  /// The decay of the weights that map one activation to another, times the learning rate.
  public var weightDecay = 0.0
  /// The decay of Adam's first moment.
  public var adamBeta1 = 0.9
  /// The decay of Adam's second moment.
  public var adamBeta2 = 0.999
  /// What Adam adds to its denominator.
  public var adamEpsilon = 1e-8
  /// The largest global norm of a gradient; larger ones are scaled down to it.
  public var clipNorm = 1.0
  /// The decay of the moving average of the weights.
  public var emaDecay = 0.98
  /// The lengths of the power averages of the weights, rising.
  public var averageLengths: [Double] = []
  /// The steps between snapshots of the power averages, 0 for none.
  public var averageEvery = 0

  /// Those of the embedded digits.
  public init() {}

  /// The keys: Adam, its learning rate, and the moving averages.
  public static let settings: [Setting<Self>] = [
    .number("learning_rate", .training, \.learningRate, 0...10, "Adam's learning rate"),
    .integer(
      "warmup_steps", .training, \.warmupSteps, from: 0, unit: "steps", "length of the warm-up"),
    .choice(
      "learning_rate_schedule", .training, \.learningRateSchedule,
      "learning rate after the warm-up"),
    .integer(
      "learning_rate_steps", .model, \.learningRateSteps, from: 1, unit: "steps",
      "the step at which cosine ends; auto: the last of the run as it begins"),
    .integer(
      "learning_rate_reference", .training, \.learningRateReference, from: 1, unit: "steps",
      "the step from which inverse_sqrt falls; auto: the end of the warm-up"),
    .number(
      "weight_decay", .training, \.weightDecay, 0...1,
      "AdamW's decay of the weights, none of biases, norms and embeddings"),
    .number("adam_beta1", .training, \.adamBeta1, 0...0.999999, "decay of Adam's first moment"),
    .number("adam_beta2", .training, \.adamBeta2, 0...0.999999, "decay of Adam's second moment"),
    .number("adam_epsilon", .training, \.adamEpsilon, 1e-30...1, "added to Adam's denominator"),
    .number("clip_norm", .training, \.clipNorm, 1e-6...1e9, "largest global gradient norm"),
    .number(
      "average_decay", .training, \.emaDecay, 0...0.9999999,
      "decay of the moving average of the weights"),
    .risingNumbers(
      "average_lengths", .training, \.averageLengths, PowerAverage.lengths,
      "further averages, by their relative standard deviation; see ddpm-dist average"),
    .integer(
      "average_every", .training, \.averageEvery, from: 0, unit: "steps",
      "steps between snapshots of the further averages; 0: none"),
  ]

  /// Adam's constants and those of the averages.
  var adam: AdamSettings {
    var settings = AdamSettings()
    settings.beta1 = adamBeta1
    settings.beta2 = adamBeta2
    settings.epsilon = adamEpsilon
    settings.weightDecay = weightDecay
    settings.emaDecay = emaDecay
    settings.averages = averageLengths.map(PowerAverage.init)
    return settings
  }

  /// Fills in where the cosine schedule ends, and refuses what does not fit together.
  ///
  /// Other schedules have no end: a run may switch to the cosine where it is resumed.
  ///
  /// - Parameter steps: The steps of the whole run.
  mutating func complete(forSteps steps: Int) throws(ConfigurationError) {
    if averageEvery > 0, averageLengths.isEmpty {
      throw ConfigurationError(
        source: "average_every",
        reason: "is \(averageEvery), but there is no power average to keep; give their lengths, as "
          + "in average_lengths=[0.05, 0.1], or leave it 0.")
    }
    guard learningRateSchedule == .cosine else { return }
    let end = learningRateSteps ?? steps
    guard steps <= end else {
      throw ConfigurationError(
        source: "steps",
        reason:
          "is \(steps), but the cosine schedule ends at step \(end) (learning_rate_steps) with "
          + "a learning rate of 0; give at most \(end), or choose another learning_rate_schedule.")
    }
    learningRateSteps = end
  }
}
