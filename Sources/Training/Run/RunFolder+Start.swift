// What a start finds in a run's folder: who works there, where to go on, with which settings.

import Foundation
import Logging
import MPI
import Storage

extension RunFolder {
  /// Takes the run's lock.
  ///
  /// - Throws: `StorageError.cannotCreate` that names who has it.
  func lock(_ logger: Logger) throws(StorageError) -> RunLock {
    let lock = try RunLock(
      folder: path,
      holder: .current(
        host: ProcessInfo.processInfo.hostName, start: Date.now.formatted(.iso8601),
        environment: ProcessInfo.processInfo.environment),
      hasEnded: SlurmJob.hasEnded)
    if let gone = lock.replaced {
      logger.notice("\(lock.path): taken over from \(gone), which is gone.")
    }
    return lock
  }

  /// Refuses what `lock` would refuse, and changes nothing.
  ///
  /// - Throws: `StorageError.cannotCreate` that names who has the lock, or why there can be no folder.
  func requireFree() throws(StorageError) {
    try RunLock.requireFree(
      folder: path,
      holder: .current(
        host: ProcessInfo.processInfo.hostName, start: Date.now.formatted(.iso8601),
        environment: ProcessInfo.processInfo.environment),
      hasEnded: SlurmJob.hasEnded)
  }

  /// Refuses to begin a run again with other weights than those that it was begun with.
  ///
  /// - Parameter given: Where the weights come from now; nil: they are drawn.
  /// - Throws: `StorageError.badData`, `.inputOutput`.
  func requireFirstWeights(_ given: String?) throws(StorageError) {
    let starts = try RunHistory.starts(path: history)
    guard let origin = starts.compactMap(\.initialWeights).last, origin != given else { return }
    throw .badData(
      path: path,
      reason: "was begun with the weights of \(origin), and has no checkpoint; begin again with "
        + "--init-from and these, or another --run")
  }

  /// The newest checkpoint that a run can go on from; nil where there are none at all yet.
  ///
  /// - Throws: `StorageError.badData` where there are some, and none can be used; `.inputOutput` where the
  ///   disk is to blame.
  func checkpointToGoOnFrom(_ logger: Logger) throws(StorageError) -> Checkpoint? {
    let found = try newestUsable()
    for path in (try checkpoints.exists) ? try checkpoints.strangers() : [] {
      logger.warning(
        """
        \(path) has no name of a checkpoint and is passed over; if it is one, ddpm-dist checkpoint \
        repair-name \(path) gives it back its name.
        """)
    }
    if found.checkpoint != nil {
      for error in found.skipped { logger.warning("skipped \(error)") }
    } else if let newest = found.skipped.first {
      // What cannot be read may be good: no reason to remove it.
      for error in found.skipped {
        if case .badData = error { continue }
        throw .inputOutput(
          path: error.path, reason: "\(error.reason); no other checkpoint can be used, so mend that"
        )
      }
      throw .badData(
        path: checkpoints.path,
        reason: "none of its checkpoints can be used (the newest: \(newest)); "
          + "remove them to start the run again")
    }
    guard let checkpoint = found.checkpoint else {
      logger.notice("There is no checkpoint in \(path) yet: starting at step 0.")
      return nil
    }
    logger.notice("Going on from \(checkpoints.path(step: checkpoint.progress.step)).")
    return checkpoint
  }

  /// The newest checkpoint that is whole and agrees with its name and with itself.
  private func newestUsable() throws(StorageError) -> (
    checkpoint: Checkpoint?, skipped: [StorageError]
  ) {
    guard try checkpoints.exists else { return (nil, []) }
    let found = try checkpoints.newest { (step) throws(StorageError) in
      let checkpoint = try checkpoints.read(step: step)
      try checkpoint.requireModel(path: checkpoints.path(step: step))
      try checkpoint.requireProgress(path: checkpoints.path(step: step))
      return checkpoint
    }
    return (found.value, found.skipped)
  }

  /// The settings that a run without a checkpoint has begun with, on all ranks; collective.
  ///
  /// - Returns: YAML text; nil where there is none.
  /// - Throws: `AgreedFailure` where `config.yaml` is no configuration, and so not ours to replace.
  func sharedConfiguration(_ job: Job) throws -> String? {
    let communicator = try job.communicator()
    let own = try job.together { () throws -> String in
      guard communicator.rank == 0, let text = try configurationText() else { return "" }
      do {
        var configuration = Configuration()
        try configuration.apply(yaml: text, source: self.configuration)
      } catch {
        throw StorageError.cannotCreate(
          path: self.configuration,
          reason: "is no configuration of a run, and is not replaced; move it away, or choose "
            + "another --run")
      }
      return text
    }
    let shared = try communicator.broadcast(own, from: 0)
    return shared.isEmpty ? nil : shared
  }
}

extension Configuration {
  /// Applies the settings of a run that goes on: those of its `config.yaml`; where that is missing
  /// or empty, those of its newest good checkpoint and the path of the images that it names.
  ///
  /// - Throws: `StorageError`, `ConfigurationError`.
  mutating func apply(settingsOf run: RunFolder) throws {
    if let text = try run.configurationText() {
      return try apply(yaml: text, source: run.configuration)
    }
    guard try run.checkpoints.exists else { return }
    let found = try run.checkpoints.newest { (step) throws(StorageError) in
      let checkpoint = try run.checkpoints.read(step: step, sections: [])
      _ = try Configuration.described(
        in: checkpoint.configuration, path: run.checkpoints.path(step: step))
      return checkpoint
    }
    guard let checkpoint = found.value else { return }
    try apply(yaml: checkpoint.configuration, source: "the checkpoint's configuration")
    if let path = checkpoint.provenance[Provenance.dataset],
      FileManager.default.fileExists(atPath: path)
    {
      data.path = path
    }
  }
}
