// Checkpoints are saved while training goes on, and on disks that fail, too.

import Foundation
import Logging
import MPI
import Storage

/// Saves the checkpoints of a run, links the best one and removes old ones; on rank 0.
///
/// A checkpoint is opened, takes its tensors while they are gathered, and is made durable on a thread of its
/// own; one at a time. The rotation and what is said are for the thread that owns this object, which asks now
/// and then by `poll`.
///
/// A disk that fails once costs one checkpoint and not the run: it may be full until somebody
/// tidies up, or a server that starts anew.
package final class CheckpointSaver {
  /// A checkpoint that is being saved.
  private struct Pending {
    let step: Int
    let validation: ValidationHistory?
    let targets: RollbackTargets?
    let opened = ContinuousClock.now
    /// Makes it durable; nil while it takes its tensors.
    var task: BackgroundTask<StorageError?>?
  }

  private let rotation: CheckpointRotation
  private let count: Int
  private let finishFile: @Sendable (TensorFile) throws(StorageError) -> Void
  private let tell: (Logger.Level, String) -> Void
  private var faults = FaultCount("checkpoint")
  private var pending: Pending?
  /// The step for which older checkpoints were removed: once is enough.
  private var stepWithRoom: Int?
  /// What ends the run as soon as all ranks can be told.
  private var fatal: (any Error)?
  /// The fault of the newest checkpoint; nil where it is saved.
  private var latestFault: StorageError?
  /// The step of the newest checkpoint that is saved.
  package private(set) var savedStep: Int?
  /// The longest time from the opening of a checkpoint until it was durable, in seconds.
  package private(set) var longestSave = 0.0

  /// A saver.
  ///
  /// - Parameters:
  ///   - rotation: The checkpoints of the run.
  ///   - count: How many good ones to keep.
  ///   - finishFile: Makes a file durable, on another thread.
  ///   - tell: Told of what was saved, and of faults that end nothing.
  package init(
    _ rotation: CheckpointRotation, keeping count: Int,
    finishFile: @escaping @Sendable (TensorFile) throws(StorageError) -> Void = {
      (file) throws(StorageError) in try file.finish()
    },
    tell: @escaping (Logger.Level, String) -> Void
  ) {
    (self.rotation, self.count, self.finishFile, self.tell) = (rotation, count, finishFile, tell)
  }

  /// The saver of a run.
  convenience init(_ request: RunRequest, tell: @escaping (Logger.Level, String) -> Void) {
    self.init(
      CheckpointRotation(request.folder.checkpoints, goingOnFrom: request.point?.step ?? 0),
      keeping: request.plan.configuration.recording.keepCheckpoints, tell: tell)
  }

  /// Opens the file of a checkpoint, when the one before is done.
  ///
  /// - Parameters:
  ///   - checkpoint: The checkpoint without its tensors.
  ///   - averages: The lengths of its power averages.
  ///   - targets: The checkpoints that the run would go back to: the newest of them stays.
  /// - Returns: The file, for its tensors and then `begin`; nil where it cannot be opened, which is told.
  /// - Throws: As `finish`.
  package func open(
    _ checkpoint: Checkpoint, averages: [Double] = [], targets: RollbackTargets? = nil
  ) throws -> TensorFile? {
    try finish(isLast: false)
    let step = checkpoint.progress.step
    pending = Pending(step: step, validation: checkpoint.validation, targets: targets)
    while true {
      do throws(StorageError) {
        return try checkpoint.file(at: rotation.folder.path(step: step), averages: averages)
      } catch {
        if mayTryAgain(after: error) { continue }
        if let fatal { throw fatal }
        return nil
      }
    }
  }

  /// Begins to make a file durable that has all its tensors.
  ///
  /// - Parameters:
  ///   - file: As `open` has given it.
  ///   - waits: Whether it is to be on the disk when this returns.
  /// - Returns: Whether the step is to be opened and written once more: the disk was full, and older
  ///   checkpoints were removed for it.
  /// - Throws: As `finish`.
  package func begin(_ file: TensorFile, waits: Bool = false) throws -> Bool {
    var triesAgain = false
    if let failure = file.failure {
      triesAgain = mayTryAgain(after: failure)
    } else {
      pending!.task = BackgroundTask { [finishFile] in
        do throws(StorageError) { try finishFile(file) } catch { return error }
        return nil
      }
      if waits { triesAgain = settle(mayTryAgain: true) }
    }
    if let fatal { throw fatal }
    return triesAgain
  }

  /// Takes notice of a checkpoint that has reached the disk meanwhile, and says so.
  ///
  /// - Returns: Whether there was one.
  @discardableResult
  package func poll() -> Bool {
    guard pending?.task?.isDone == true else { return false }
    _ = settle(mayTryAgain: false)
    return latestFault == nil
  }

  /// Waits for the checkpoint that is on its way.
  ///
  /// - Parameter isLast: Whether there will be no other attempt.
  /// - Returns: Whether the newest checkpoint is saved.
  /// - Throws: `StorageError.inputOutput` where the last attempt of a run, or too many in a row,
  ///   have failed; `Failure` where a tensor is not finite.
  @discardableResult
  package func finish(isLast: Bool) throws -> Bool {
    if pending?.task != nil { _ = settle(mayTryAgain: false) }
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

  /// Waits until the file is durable, or has a fault.
  ///
  /// - Returns: As `begin`.
  private func settle(mayTryAgain: Bool) -> Bool {
    let current = pending!
    let fault = current.task!.wait()
    longestSave = max(longestSave, (ContinuousClock.now - current.opened) / .seconds(1))
    if let fault {
      pending!.task = nil
      if mayTryAgain { return self.mayTryAgain(after: fault) }
      // Only a disk that says so late, as over a network: this state is gone, the next one has room.
      if fault.isOutOfSpace { _ = makeRoom(fault, current) }
      note(fault)
      return false
    }
    pending = nil
    latestFault = nil
    savedStep = current.step
    faults.succeeded()
    rotation.wrote(step: current.step)
    tell(.info, "saved \(rotation.folder.path(step: current.step))")
    tidyUp(current.validation, current.targets)
    return false
  }

  /// Makes room for a file that found the disk full, or takes notice of the fault.
  ///
  /// - Returns: Whether there is more room now.
  private func mayTryAgain(after fault: StorageError) -> Bool {
    let current = pending!
    if stepWithRoom != current.step, fault.isOutOfSpace, makeRoom(fault, current) {
      stepWithRoom = current.step
      return true
    }
    note(fault)
    return false
  }

  /// Is done with a checkpoint that is not saved.
  private func note(_ fault: StorageError) {
    let step = pending!.step
    pending = nil
    latestFault = fault
    if case .badData(_, let reason) = fault {
      fatal = divergence(atStep: step, reason)
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
