// Settings: the optimizer and the moving average.

import Parallel

/// How the weights follow the gradient.
public struct OptimizerSettings: SettingsSection {
  /// Adam's learning rate after the warm-up.
  public var learningRate = 2e-3
  /// The steps over which the learning rate grows from 0 to its value.
  public var warmupSteps = 20
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

  /// Those of the embedded digits.
  public init() {}

  /// The keys: Adam and the moving average.
  public static let settings: [Setting<Self>] = [
    .number("learning_rate", .training, \.learningRate, 0...10, "Adam's learning rate"),
    .integer(
      "warmup_steps", .training, \.warmupSteps, from: 0, unit: "steps", "length of the warm-up"),
    .number("adam_beta1", .training, \.adamBeta1, 0...0.999999, "decay of Adam's first moment"),
    .number("adam_beta2", .training, \.adamBeta2, 0...0.999999, "decay of Adam's second moment"),
    .number("adam_epsilon", .training, \.adamEpsilon, 1e-30...1, "added to Adam's denominator"),
    .number("clip_norm", .training, \.clipNorm, 1e-6...1e9, "largest global gradient norm"),
    .number(
      "average_decay", .training, \.emaDecay, 0...0.9999999,
      "decay of the moving average of the weights"),
  ]

  /// Adam's constants and the decay of the average.
  var adam: AdamSettings {
    var settings = AdamSettings()
    settings.beta1 = adamBeta1
    settings.beta2 = adamBeta2
    settings.epsilon = adamEpsilon
    settings.emaDecay = emaDecay
    return settings
  }

  /// The learning rate of a step, after a linear warm-up over `warmupSteps`.
  ///
  /// - Parameter step: The number of steps done before; the first step of a warm-up over n steps
  ///   has 1/n of the full rate.
  package func learningRate(atStep step: Int) -> Double {
    learningRate * min(1, Double(step + 1) / Double(max(warmupSteps, 1)))
  }
}
