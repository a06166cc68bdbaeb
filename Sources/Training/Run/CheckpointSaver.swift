// Checkpoints are saved on disks that fail, too.

import Logging
import Storage

/// Writes the checkpoints of a run, links the best one and removes old ones; on rank 0.
///
/// A disk that fails once costs one checkpoint and not the run: it may be full until somebody
/// tidies up, or a server that starts anew.
package final class CheckpointSaver {
  /// How many saves may fail in a row before the run ends. One may meet a disk in a bad moment, and
  /// two a longer fault; with the third, work of three intervals is at stake, and the batch system
  /// must learn of it by the exit code.
  package static let attempts = 3

  private let rotation: CheckpointRotation
  private let count: Int
  private let write: (Checkpoint, String) throws(StorageError) -> Void
  private let tell: (Logger.Level, String) -> Void
  private var failures = 0

  /// A saver.
  ///
  /// - Parameters:
  ///   - rotation: The checkpoints of the run.
  ///   - count: How many good ones to keep.
  ///   - write: Writes a checkpoint to a path.
  ///   - tell: Told of what was saved, and of faults that end nothing.
  package init(
    _ rotation: CheckpointRotation, keeping count: Int,
    write: @escaping (Checkpoint, String) throws(StorageError) -> Void = {
      (checkpoint, path) throws(StorageError) in try checkpoint.write(to: path)
    },
    tell: @escaping (Logger.Level, String) -> Void
  ) {
    (self.rotation, self.count, self.write, self.tell) = (rotation, count, write, tell)
  }

  /// The saver of a run.
  convenience init(_ request: RunRequest, tell: @escaping (Logger.Level, String) -> Void) {
    self.init(
      CheckpointRotation(request.folder.checkpoints, goingOnFrom: request.point?.step ?? 0),
      keeping: request.plan.configuration.recording.keepCheckpoints, tell: tell)
  }

  /// Saves a checkpoint, or says why not.
  ///
  /// - Parameter isLast: Whether there will be no other attempt.
  /// - Returns: Whether it is saved.
  /// - Throws: `StorageError.inputOutput` where the last attempt of a run, or too many in a row,
  ///   have failed; `.badData` where a tensor is not finite.
  @discardableResult
  package func save(_ checkpoint: Checkpoint, isLast: Bool) throws(StorageError) -> Bool {
    let step = checkpoint.progress.step
    let path = rotation.folder.path(step: step)
    do throws(StorageError) {
      try writeMakingRoom(checkpoint, path)
    } catch {
      if case .badData = error { throw error }
      failures += 1
      guard !isLast, failures < Self.attempts else {
        let which = isLast ? "the last checkpoint" : "\(failures) checkpoints in a row"
        throw .inputOutput(
          path: error.path,
          reason: "\(error.reason); \(which) could not be saved: mend that, and go on with --resume"
        )
      }
      tell(
        .warning,
        "\(error): this checkpoint is not saved; training goes on and tries again at the next one")
      return false
    }
    failures = 0
    rotation.wrote(step: step)
    tell(.info, "saved \(path)")
    tidyUp(checkpoint.validation)
    return true
  }

  /// Writes a checkpoint; where the disk is full, once more without the older ones.
  private func writeMakingRoom(
    _ checkpoint: Checkpoint, _ path: String
  ) throws(StorageError) {
    do throws(StorageError) {
      try write(checkpoint, path)
    } catch {
      guard error.isOutOfSpace,
        let removed = try? rotation.prune(keeping: 1).removed, !removed.isEmpty
      else { throw error }
      tell(.warning, "\(error): removed \(removed.joined(separator: ", ")) to make room")
      try write(checkpoint, path)
    }
  }

  /// Links the best checkpoint, then removes old ones: the best one stays.
  private func tidyUp(_ history: ValidationHistory?) {
    do {
      if let best = history?.best(among: try rotation.goodSteps()) {
        do throws(StorageError) {
          try rotation.folder.linkBest(step: best.step)
        } catch {
          tell(.warning, "\(error)")
        }
      }
      for error in try rotation.prune(keeping: count).failed { tell(.warning, "\(error)") }
    } catch {
      tell(.warning, "\(error)")
    }
  }
}
