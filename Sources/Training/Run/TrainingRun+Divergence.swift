// What a run does with a step that has left its way.

import Foundation
import MPI
import Parallel
import Storage

extension TrainingRun {
  /// Follows what the trainer has decided of a step; collective.
  ///
  /// - Returns: The step that the run has gone back to; nil where it has not.
  /// - Throws: `AgreedFailure` on all ranks where the run ends.
  func handle(_ outcome: Trainer.StepReport.Outcome) throws -> Int? {
    switch outcome {
    case .updated:
      return nil
    case .skipped(let evidence):
      if isFirst {
        warn(
          "step \(evidence.step) is left out, number \(trainer.step - trainer.adam.updates) in all: "
            + description(of: evidence))
      }
      return nil
    case .diverged(let evidence):
      guard plan.configuration.training.onDivergence == .rollback,
        trainer.rollbacks.count < DivergencePolicy.rollbacks
      else { throw try failure(for: evidence) }
      return try rollBack(from: evidence)
    }
  }

  /// What speaks against a step, as a sentence's end.
  private func description(of evidence: DivergenceWatch.Evidence) -> String {
    "the loss is \(text(evidence.loss)), before \(text(evidence.usualLoss)), the gradient's norm "
      + "\(text(evidence.norm)), before \(text(evidence.usualNorm))"
  }

  /// Keeps what is needed to compute a step again that is left out, before anything has changed;
  /// collective.
  ///
  /// Of a row of them the first is enough.
  func record(_ evidence: DivergenceWatch.Evidence) throws {
    let isEnd = plan.configuration.training.onDivergence != .skip || evidence.isDivergence
    guard evidence.row == 1 || isEnd else { return }
    var (begun, fault): (DivergenceRecord.Files?, StorageError?)
    if isFirst {
      do throws(StorageError) {
        begun = try DivergenceRecord.begin(
          trainer.checkpoint(provenance: provenance), averages: trainer.averageLengths,
          in: folder.diverged
        ) { state in
          DivergenceRecord(evidence, plan, trainer.objective, state: state)
        }
      } catch {
        fault = error
      }
    }
    try trainer.writeTensors(to: begun?.state)
    do throws(StorageError) {
      if let fault { throw fault }
      guard let written = try begun?.finish() else { return }
      progress.interrupt()
      logger.notice(
        """
        Step \(evidence.step) is described in \(written.record)\
        \(written.state.map { "; ddpm-dist replay \($0) computes it again" } ?? "").
        """)
    } catch {
      warn("\(error): there will be no description of step \(evidence.step)")
    }
  }

  /// Goes back to the last healthy checkpoint, or to the beginning; collective.
  private func rollBack(from evidence: DivergenceWatch.Evidence) throws -> Int {
    let targets = trainer.rollbackTargets
    let checkpoint = try job.together {
      [saver, folder, request, isFirst] () throws -> Checkpoint? in
      guard isFirst else { return nil }
      try saver.finish(isLast: false)
      for step in targets.among(try folder.checkpoints.steps()) {
        do throws(StorageError) {
          let checkpoint = try folder.checkpoints.read(step: step)
          try checkpoint.requireProgress(path: folder.checkpoints.path(step: step))
          return checkpoint
        } catch {
          warn("skipped \(error)")
        }
      }
      guard !request.lacksFirstWeights else {
        throw Failure(
          "step \(evidence.step) diverged, and there is no healthy checkpoint to go back to: begin "
            + "again with --init-from, and a smaller learning_rate.", exitCode: ExitCode.software)
      }
      return nil
    }
    let point = try ResumePoint.share(checkpoint, communicator)
    try trainer.rollBack(to: point, checkpoint)
    let target = trainer.rollbacks.last!.target
    if isFirst {
      let place = point == nil ? "the beginning" : folder.checkpoints.path(step: target)
      warn(
        """
        step \(evidence.step) diverged (\(description(of: evidence))): going back to \(place), without \
        the batches since then (time \(trainer.rollbacks.count) of at most \
        \(DivergencePolicy.rollbacks))
        """)
    }
    return target
  }

  /// The end of a run that has diverged, with what is on its way saved; collective.
  private func failure(for evidence: DivergenceWatch.Evidence) throws -> AgreedFailure {
    let targets = trainer.rollbackTargets
    let message = try job.together { [saver, folder, isFirst] in
      guard isFirst else { return "" }
      _ = try? saver.finish(isLast: false)
      let steps = (try? folder.checkpoints.steps()) ?? []
      // A checkpoint that the run itself would not go back to, as another run has it not, is good too.
      let healthy =
        targets.among(steps).first ?? steps.last { $0 > 0 && $0 <= evidence.lastHealthyStep }
      let reason =
        !evidence.loss.isFinite || !evidence.norm.isFinite
        ? "loss or gradient are not finite"
        : evidence.isExplosion
          ? "loss and gradient have exploded"
          : "for \(evidence.row) steps loss or gradient have been far above what they were"
      return "step \(evidence.step) diverged: \(reason); \(description(of: evidence)). "
        + (healthy.map { step in
          "The last healthy checkpoint is \(folder.checkpoints.path(step: step)): go on from it with a "
            + "smaller learning_rate"
            + (steps.contains { $0 > step } ? ", after removing later ones." : ".")
        } ?? "There is no checkpoint from before: begin again with a smaller learning_rate.")
    }
    return AgreedFailure(
      rank: 0, failure: Failure(message, exitCode: ExitCode.software))
  }
}
