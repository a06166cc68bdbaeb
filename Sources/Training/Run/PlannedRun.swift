// What a job would run, looked at before there is one: without MPI, and without touching the run.

import Foundation
import Models
import Storage

/// A run as ranks that do not exist yet would find it.
public struct PlannedRun: Sendable {
  /// The configuration that has met its dataset and its ranks.
  public let plan: TrainingPlan
  /// The run's folder.
  public let folder: RunFolder
  /// The step of the newest good checkpoint; 0 where there is none.
  public let step: Int

  /// The numbers that training learns.
  public var parameters: Int { plan.objective.parameters.layout.count }
  /// The optimizer steps that are left.
  public var stepsLeft: Int { max(0, plan.configuration.training.steps - step) }

  /// The bytes of one checkpoint, but for what is no tensor: weights, Adam's moments and the averages.
  public var checkpointBytes: Int {
    let settings = plan.configuration.optimizer
    let averages = (settings.emaDecay > 0 ? 1 : 0) + settings.averageLengths.count
    return (3 + averages) * 4 * parameters
  }

  /// The bytes that checkpoints take while one more is written than are kept.
  public var checkpointsBytes: Int {
    let count = plan.configuration.recording.keepCheckpoints + 1
    let (bytes, overflows) = checkpointBytes.multipliedReportingOverflow(by: count)
    return overflows ? .max : bytes
  }

  /// Looks at everything that a start refuses, as far as one process can see it.
  ///
  /// - Parameters:
  ///   - options: What `ddpm-dist train` would be told.
  ///   - ranks: The number of ranks that it would have.
  /// - Throws: `StorageError`, `ConfigurationError`, and what the model refuses.
  public init(_ options: RunOptions, ranks: Int) throws {
    var configuration = try options.configuration()
    folder = RunFolder(options.runPath ?? "runs/\(configuration.run.name)")
    guard options.resumes || !folder.exists else {
      throw StorageError.cannotCreate(
        path: folder.path,
        reason: "holds a run already; go on with --resume, or choose another folder with --run")
    }
    if let path = options.initialPath, !FileManager.default.fileExists(atPath: path) {
      throw StorageError.missingInput(path: path, reason: "there are no weights of this name")
    }
    let checkpoint = try folder.newestDescription()
    if let begun = try checkpoint?.configuration ?? folder.configurationText() {
      try configuration.continueRun(of: begun)
    }
    step = checkpoint?.progress.step ?? 0
    plan = try TrainingPlan(configuration, rankCount: ranks)
  }
}

extension RunFolder {
  /// The newest good checkpoint without its tensors; nil where there is none.
  fileprivate func newestDescription() throws(StorageError) -> Checkpoint? {
    guard try checkpoints.exists else { return nil }
    return try checkpoints.newest { (step) throws(StorageError) in
      try checkpoints.read(step: step, sections: [])
    }.value
  }
}

extension RunOptions {
  /// The run's folder, as the options and their configuration name it.
  ///
  /// - Throws: `StorageError`, `ConfigurationError`.
  public func folder() throws -> String {
    try runPath ?? "runs/\(configuration().run.name)"
  }
}
