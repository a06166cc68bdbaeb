// How a configuration meets the run that it is to continue.

import Storage

extension Configuration {
  /// Fits this configuration to the run that it is to continue.
  ///
  /// Settings of the network, the data and the random numbers must be those of the run; what is
  /// `auto` here is taken from it. Settings of the training may have changed.
  ///
  /// - Parameter yaml: The configuration in the run's checkpoint.
  /// - Throws: `ConfigurationError` naming the first setting that differs.
  package mutating func continueRun(of yaml: String) throws(ConfigurationError) {
    var old = Configuration()
    try old.apply(yaml: yaml, source: "the checkpoint's configuration")
    training.shards = training.shards ?? old.training.shards
    data.fill(from: old.data)
    conditioning.fill(from: old.conditioning)
    latentDiffusion.fill(from: old.latentDiffusion)
    optimizer.learningRateSteps = optimizer.learningRateSteps ?? old.optimizer.learningRateSteps
    // Only the cosine schedule has an end: a run without one may be given it now.
    old.optimizer.learningRateSteps = old.optimizer.learningRateSteps ?? optimizer.learningRateSteps
    validation.images = validation.images ?? old.validation.images
    // What checkpoints of earlier versions do not say: all of their images were trained on.
    old.data.valueRange = old.data.valueRange ?? data.valueRange
    old.validation.heldOut = old.validation.heldOut ?? 0
    validation.heldOut = validation.heldOut ?? old.validation.heldOut
    for setting in Self.settings where setting.role == .model {
      let (before, now) = (setting.value(in: old), setting.value(in: self))
      guard before == now else {
        throw ConfigurationError(
          source: setting.key,
          reason:
            "is \(Self.shortened(now)), but the run to be resumed has \(Self.shortened(before)); "
            + "leave it, or start a new run with another --run.")
      }
    }
  }

  /// A value that fits in a line: the beginning of a long list.
  private static func shortened(_ value: String) -> String {
    value.unicodeScalars.count <= 100 ? value : String(value.unicodeScalars.prefix(99)) + "…"
  }
}
