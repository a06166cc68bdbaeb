// Which weights of a checkpoint.

/// Which of a checkpoint's weights are used.
public enum WeightKind: String, CaseIterable, Sendable {
  /// The moving average over the training.
  case ema = "average"
  /// The weights of the last step.
  case model
}
