// Settings: what is kept of a run, and when.

/// When checkpoints and sample grids are made.
public struct RecordingSettings: SettingsSection {
  /// The steps between checkpoints; the last step always makes one.
  public var checkpointEvery = 500
  /// The number of newest checkpoints that are kept.
  public var keepCheckpoints = 3
  /// The steps between sample grids, 0 for none.
  public var sampleEvery = 500
  /// The images of a sample grid.
  public var sampleCount = 64
  /// Whether the last step draws a grid too, wherever it lies.
  public var sampleLast = false

  /// The steps between those whose gradient is measured tensor by tensor, 0 for none.
  public var gradientNormsEvery = 0

  /// Those of the embedded digits.
  public init() {}

  /// The keys: what is kept and drawn, and when.
  public static let settings: [Setting<Self>] = [
    .integer(
      "checkpoint_every", .training, \.checkpointEvery, from: 1, unit: "steps",
      "steps between checkpoints; the last step makes one too"),
    .integer(
      "keep_checkpoints", .training, \.keepCheckpoints, from: 2, "newest checkpoints to keep"),
    .integer(
      "sample_every", .training, \.sampleEvery, from: 0, unit: "steps",
      "steps between sample grids; 0: none"),
    .integer(
      "sample_count", .training, \.sampleCount, from: 1, unit: "images", "images of a sample grid"),
    .flag("sample_last", .training, \.sampleLast, "draw a grid after the last step too"),
    .integer(
      "gradient_norms_every", .training, \.gradientNormsEvery, from: 0, unit: "steps",
      "steps between those whose gradient is measured tensor by tensor; 0: none"),
  ]
}
