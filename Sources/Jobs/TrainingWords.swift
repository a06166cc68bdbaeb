// The words of `ddpm-dist train` as they stand in a script.

/// What a job trains: the user's words, and the folder of the run.
public struct TrainingWords: Equatable, Sendable {
  /// The words behind `train`, without `--run` and `--resume`.
  public let words: [String]
  /// The folder of the run; of an array, the folder of their folders.
  public let run: String
  /// Whether the words say how many workers a rank has.
  public let saysWorkers: Bool

  /// Takes the run's folder out of the words, which the parser has accepted.
  ///
  /// - Parameters:
  ///   - words: The words behind `train`.
  ///   - run: The folder that they mean.
  ///   - saysWorkers: Whether they say how many workers a rank has.
  public init(_ words: [String], run: String, saysWorkers: Bool) {
    var kept: [String] = []
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--run" {
        rest = rest.dropFirst()
      } else if word != "--resume", !word.hasPrefix("--run=") {
        kept.append(word)
      }
    }
    (self.words, self.run, self.saysWorkers) = (kept, run, saysWorkers)
  }

  /// The folder of the run of a seed.
  public static func folder(_ run: String, seed: Int) -> String { "\(run)/seed-\(seed)" }
}
