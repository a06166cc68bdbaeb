import Parallel

/// What follows from the settings.
extension Configuration {
  /// Adam's constants and the decay of the average.
  var adam: AdamSettings {
    var settings = AdamSettings()
    settings.beta1 = adamBeta1
    settings.beta2 = adamBeta2
    settings.epsilon = adamEpsilon
    settings.averageDecay = averageDecay
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
