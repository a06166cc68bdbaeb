// Whether a checkpoint holds the power averages that a run goes on with.

import Storage

extension OptimizerSettings {
  /// Refuses power averages that would begin in the middle of a run; those that the settings do not
  /// name any more are dropped.
  ///
  /// - Throws: `ConfigurationError` that names the first one.
  package func requireAverages(of checkpoint: Checkpoint) throws(ConfigurationError) {
    guard let missing = averageLengths.first(where: { checkpoint.averages[$0] == nil })
    else { return }
    throw ConfigurationError(
      source: "average_lengths",
      reason: "the average \(missing) cannot begin at step \(checkpoint.progress.step): a power "
        + "average begins with its run; leave it out, or start a new run with another --run.")
  }
}
