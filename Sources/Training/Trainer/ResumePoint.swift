// What all ranks must know of a checkpoint that one of them has read.

import MPI
import Storage

/// What every rank must know of the checkpoint that a run goes on from.
package struct ResumePoint {
  /// The number of steps done.
  package let step: Int
  /// The loss of the last of them.
  let loss: Double
  /// The configuration in the checkpoint, YAML text.
  let configuration: String
  /// What the model keeps beside its weights.
  let state: [String: [Double]]
  /// What the trainer keeps beside the weights.
  let trainer: TrainerState
  /// What validation has found so far; nil where there was none.
  package let validation: ValidationHistory?

  /// Tells all ranks what rank 0 has found; collective.
  ///
  /// - Parameter checkpoint: On rank 0 the checkpoint, nil for none; ignored elsewhere.
  /// - Returns: nil on all ranks where there is no checkpoint.
  package static func share(
    _ checkpoint: Checkpoint?, _ communicator: Communicator
  ) throws(MPIError) -> ResumePoint? {
    let step = try communicator.broadcast([checkpoint?.progress.step ?? -1], from: 0)[0]
    guard step >= 0 else { return nil }
    return ResumePoint(
      step: step,
      loss: try communicator.broadcast([checkpoint?.progress.loss ?? 0], from: 0)[0],
      configuration: try communicator.broadcast(checkpoint?.configuration ?? "", from: 0),
      state: try Checkpoint.shareState(checkpoint, communicator),
      trainer: try TrainerState.share(checkpoint, step: step, communicator),
      validation: try ValidationHistory.share(checkpoint?.validation, communicator))
  }
}
