// Checkpoints are saved while training goes on, and on disks that fail, too.

import Foundation
import Logging
import MPI
import Storage

/// Writes the checkpoints of a run on a thread of its own, links the best one and removes old ones; on
/// rank 0.
///
/// One at a time is on its way to the disk. The file is built and written on the thread; the rotation and
/// what is said are for the thread that owns this object, which asks now and then by `poll`.
///
/// A disk that fails once costs one checkpoint and not the run: it may be full until somebody
/// tidies up, or a server that starts anew.
package final class CheckpointSaver {
  /// A checkpoint on its way.
  private struct Pending {
    let checkpoint: Checkpoint
    let targets: RollbackTargets?
    var task: BackgroundTask<(fault: StorageError?, seconds: Double)>
    var hasMadeRoom = false

    var step: Int { checkpoint.progress.step }
  }

  private let rotation: CheckpointRotation
  private let count: Int
  private let write: @Sendable (Checkpoint, String) throws(StorageError) -> Void
  private let tell: (Logger.Level, String) -> Void
  private var faults = FaultCount("checkpoint")
  private var pending: Pending?
  /// What ends the run as soon as all ranks can be told.
  private var fatal: (any Error)?
  /// The fault of the newest checkpoint; nil where it is saved.
  private var latestFault: StorageError?
  /// The step of the newest checkpoint that is saved.
  package private(set) var savedStep: Int?
  /// The longest time that a checkpoint was on its way, in seconds.
  package private(set) var longestWrite = 0.0

  /// A saver.
  ///
  /// - Parameters:
  ///   - rotation: The checkpoints of the run.
  ///   - count: How many good ones to keep.
  ///   - write: Writes a checkpoint to a path, on another thread.
  ///   - tell: Told of what was saved, and of faults that end nothing.
  package init(
    _ rotation: CheckpointRotation, keeping count: Int,
    write: @escaping @Sendable (Checkpoint, String) throws(StorageError) -> Void = {
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

  /// Begins to write a checkpoint, when the one before is done.
  ///
  /// - Parameters:
  ///   - checkpoint: The checkpoint.
  ///   - targets: The checkpoints that the run would go back to: the newest of them stays.
  /// - Throws: As `finish`.
  package func begin(_ checkpoint: Checkpoint, targets: RollbackTargets? = nil) throws {
    try finish(isLast: false)
    pending = Pending(checkpoint: checkpoint, targets: targets, task: start(checkpoint))
  }

  /// Takes notice of a checkpoint that has reached the disk meanwhile, and says so.
  ///
  /// - Returns: Whether there was one.
  @discardableResult
  package func poll() -> Bool {
    guard pending?.task.isDone == true else { return false }
    settle()
    return pending == nil && latestFault == nil
  }

  /// Waits for the checkpoint that is on its way.
  ///
  /// - Parameter isLast: Whether there will be no other attempt.
  /// - Returns: Whether the newest checkpoint is saved.
  /// - Throws: `StorageError.inputOutput` where the last attempt of a run, or too many in a row,
  ///   have failed; `Failure` where a tensor is not finite.
  @discardableResult
  package func finish(isLast: Bool) throws -> Bool {
    while pending != nil { settle() }
    if let fatal { throw fatal }
    if isLast, let latestFault {
      throw StorageError.inputOutput(
        path: latestFault.path,
        reason:
          "\(latestFault.reason); the last checkpoint could not be saved: mend that, and go on "
          + "with --resume")
    }
    return latestFault == nil
  }

  private func start(
    _ checkpoint: Checkpoint
  ) -> BackgroundTask<(fault: StorageError?, seconds: Double)> {
    BackgroundTask { [write, path = rotation.folder.path(step: checkpoint.progress.step)] in
      let began = ContinuousClock.now
      var fault: StorageError?
      do throws(StorageError) { try write(checkpoint, path) } catch { fault = error }
      return (fault, (ContinuousClock.now - began) / .seconds(1))
    }
  }

  /// Waits for the write, and either is done with the checkpoint or tries once more.
  private func settle() {
    guard let current = pending else { return }
    let (fault, seconds) = current.task.wait()
    longestWrite = max(longestWrite, seconds)
    guard let fault else {
      pending = nil
      latestFault = nil
      savedStep = current.step
      faults.succeeded()
      rotation.wrote(step: current.step)
      tell(.info, "saved \(rotation.folder.path(step: current.step))")
      return tidyUp(current.checkpoint.validation, current.targets)
    }
    if !current.hasMadeRoom, fault.isOutOfSpace, makeRoom(fault, current) {
      pending!.hasMadeRoom = true
      pending!.task = start(current.checkpoint)
      return
    }
    pending = nil
    latestFault = fault
    if case .badData(_, let reason) = fault {
      fatal = divergence(atStep: current.step, reason)
      return
    }
    do throws(StorageError) {
      tell(.warning, try faults.failed(fault))
    } catch {
      fatal = error
    }
  }

  /// The end of a run with tensors that are not finite.
  private func divergence(atStep step: Int, _ reason: String) -> Failure {
    let good = (try? rotation.goodSteps())?.last.map(rotation.folder.path(step:))
    return Failure(
      "step \(step) diverged: the checkpoint \(reason). "
        + (good.map { "The last good checkpoint is \($0): go on from it" } ?? "Begin again")
        + " with a smaller learning_rate.", exitCode: ExitCode.software)
  }

  /// Removes the older checkpoints for the new one.
  private func makeRoom(_ fault: StorageError, _ current: Pending) -> Bool {
    guard let removed = try? rotation.prune(keeping: 1, and: target(current.targets)).removed,
      !removed.isEmpty
    else { return false }
    tell(.warning, "\(fault): removed \(removed.joined(separator: ", ")) to make room")
    return true
  }

  /// The checkpoint that the run would go back to.
  private func target(_ targets: RollbackTargets?) -> Int? {
    guard let targets, let steps = try? rotation.goodSteps() else { return nil }
    return targets.among(steps).first
  }

  /// Links the best checkpoint, then removes old ones: the best one and the last healthy one stay. Faults
  /// are told.
  ///
  /// After each save, and where a run goes on: the process before may have been killed in between.
  package func tidyUp(_ validation: ValidationHistory?, _ targets: RollbackTargets?) {
    do {
      if let best = validation?.best(among: try rotation.goodSteps()) {
        do throws(StorageError) {
          try rotation.folder.linkBest(step: best.step)
        } catch {
          tell(.warning, "\(error)")
        }
      }
      let pruned = try rotation.prune(keeping: count, and: target(targets))
      for error in pruned.failed { tell(.warning, "\(error)") }
    } catch {
      tell(.warning, "\(error)")
    }
  }
}
