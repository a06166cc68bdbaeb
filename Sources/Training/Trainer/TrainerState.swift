// What the trainer keeps beside the weights, in a checkpoint and out of it.

import MPI
import Storage

/// What a trainer knows of its run beside weights, moments and averages.
package struct TrainerState: Equatable, Sendable {
  /// What has been seen of the losses.
  package var watch = DivergenceWatch()
  /// How many of the steps have updated the weights.
  package var updates: Int
  /// The steps that were taken back.
  package var rollbacks: [Rollback] = []

  /// The state after some steps.
  package init(watch: DivergenceWatch, updates: Int, rollbacks: [Rollback]) {
    (self.watch, self.updates, self.rollbacks) = (watch, updates, rollbacks)
  }

  private enum Key {
    static let skipped = "skipped"
    static let rollbacks = "rollbacks"
  }

  /// The state as named vectors; what is as in a run without any fault is left out.
  ///
  /// - Parameter step: The number of steps done.
  package func numbers(step: Int) -> [String: [Double]] {
    var numbers = watch.numbers
    if updates < step { numbers[Key.skipped] = [Double(step - updates)] }
    if !rollbacks.isEmpty {
      numbers[Key.rollbacks] = rollbacks.flatMap { [Double($0.target), Double($0.step)] }
    }
    return numbers
  }

  /// The state in a checkpoint.
  ///
  /// - Parameter step: The number of steps done.
  /// - Returns: nil where the numbers cannot be those of a trainer after so many steps.
  package init?(_ numbers: [String: [Double]], step: Int) {
    let skipped = numbers[Key.skipped].map { Int(exactly: $0.first ?? .nan) } ?? 0
    let ends = (numbers[Key.rollbacks] ?? []).map { Int(exactly: $0) ?? -1 }
    guard let watch = DivergenceWatch(numbers), let skipped, 0...step ~= skipped,
      ends.allSatisfy({ 0...step ~= $0 }), ends.count % 2 == 0,
      ends.count <= 2 * DivergencePolicy.rollbacks
    else { return nil }
    let rollbacks = stride(from: 0, to: ends.count, by: 2).map {
      Rollback(target: ends[$0], step: ends[$0 + 1])
    }
    self.init(watch: watch, updates: step - skipped, rollbacks: rollbacks)
  }

  /// Tells all ranks the state that rank 0 has read; collective.
  ///
  /// - Parameters:
  ///   - checkpoint: On rank 0 the checkpoint, which `requireProgress` has accepted; ignored
  ///     elsewhere.
  ///   - step: The number of steps done.
  static func share(
    _ checkpoint: Checkpoint?, step: Int, _ communicator: Communicator
  ) throws(MPIError) -> TrainerState {
    let numbers = try Checkpoint.share(checkpoint?.trainer ?? [:], communicator)
    return TrainerState(numbers, step: step)
      ?? TrainerState(watch: DivergenceWatch(), updates: step, rollbacks: [])
  }
}

extension Trainer {
  /// What is kept of the run beside weights, moments and averages, as a checkpoint has it.
  var numbers: [String: [Double]] {
    TrainerState(watch: watch, updates: adam.updates, rollbacks: rollbacks).numbers(step: step)
  }

  /// The checkpoints that the run would go back to now.
  package var rollbackTargets: RollbackTargets {
    RollbackTargets(
      every: plan.configuration.recording.checkpointEvery,
      lastHealthyStep: step - watch.suspiciousSteps, rollbacks: rollbacks)
  }

  /// Takes back all steps since a checkpoint, and the one that has diverged: afterwards everything is
  /// as if they had been skipped; collective.
  ///
  /// - Parameters:
  ///   - point: How far the run was then, the same on all ranks; nil: before the first step.
  ///   - checkpoint: The checkpoint on rank 0, nil elsewhere and where there is no point.
  package func rollBack(to point: ResumePoint?, _ checkpoint: Checkpoint?) throws {
    let (end, watch) = (step + 1, watch)
    let earlier = rollbacks
    if let point {
      try restore(point, checkpoint)
    } else {
      (step, loss) = (0, .nan)
      objective = plan.objective
      _ = weights.elements.update(from: firstWeights)
      adam.restart(weights)
    }
    rollbacks = earlier + [Rollback(target: step, step: end)]
    self.watch = watch
    self.watch.forgetRow()
    for _ in step..<end { adam.skipStep(weights) }
    step = end
  }
}
