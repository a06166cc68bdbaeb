// ddpm-dist average: an average of any length, after the training.

import ArgumentParser
import Foundation
import Parallel
import Storage
import Training

/// `ddpm-dist average`.
struct AverageCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "average",
    abstract: "Make a checkpoint whose average has another length, after the training.",
    discussion: """
      A run with average_lengths keeps power averages of its weights in its checkpoints, and in \
      averages/ where average_every says so. Any other length is made of all that were kept \
      (Karras et al. 2024). ddpm-sample --ckpt FILE.h5 draws with it.
      """)

  @Option(help: "The run's folder.", completion: .directory)
  var run: String
  @Option(
    help: """
      The length of the average: the relative standard deviation of the steps in it, \
      \(PowerAverage.lengths.lowerBound) to \(PowerAverage.lengths.upperBound).
      """)
  var length: Double
  @Option(
    help: """
      The last step that is in the average; later ones are left out. (default: that of the newest \
      good checkpoint)
      """)
  var step: Int?
  @Option(
    help: "The checkpoint to write, .h5; one that is there is not replaced without --force.",
    completion: .hdf5)
  var output: String
  @Flag(help: .force)
  var force = false

  func validate() throws {
    guard PowerAverage.lengths.contains(length) else {
      throw ValidationError(
        "--length needs a number from \(PowerAverage.lengths.lowerBound) to "
          + "\(PowerAverage.lengths.upperBound).")
    }
    if let step, step < 1 { throw ValidationError("--step needs at least 1.") }
    if let fault = OutputKind.checkpoint.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    try job.onFirstRank {
      try OutputKind.checkpoint.check(target: output, inputs: [run], isForced: force)
      let average = try PosthocAverage(run: RunFolder(run), length: length, upTo: step) {
        logger.warning("skipped \($0)")
      }
      if average.residual > 0.1 {
        logger.warning(
          """
          the kept averages make up only a part of this one's profile: choose a length between \
          theirs, or keep more of them
          """
        )
      }
      try average.checkpoint.write(to: output)
      try printTable([
        ("file", output),
        ("average", "of length \(length), at step \(average.step)"),
        ("made of", "\(average.count) averages that the run has kept"),
        ("residual", String(format: "%.3g of its profile", average.residual)),
        ("the rest", "from \(average.source)"),
      ])
    }
  }
}
