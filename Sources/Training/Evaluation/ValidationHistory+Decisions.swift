// What follows from what validation has found: the best step, and whether to stop.

import MPI
import Storage

extension ValidationHistory {
  /// A step and its loss.
  package typealias Entry = (step: Int, loss: Double)

  /// The entry with the lowest loss, the earliest of equal ones; nil where there is none.
  ///
  /// - Parameter candidates: The steps to choose from; nil: all.
  package func best(among candidates: [Int]? = nil) -> Entry? {
    let entries = zip(steps, losses).filter { candidates?.contains($0.0) ?? true }
    return entries.min { $0.1 < $1.1 }.map { (step: $0.0, loss: $0.1) }
  }

  /// Whether the last validations have brought nothing better, so that a run stops.
  ///
  /// Only those that `validation_every` asks for count: what is validated beside them, because a
  /// checkpoint is made or the run's steps are done, must not change when a run stops.
  ///
  /// - Parameters:
  ///   - every: The steps between validations.
  ///   - patience: How many without a better one are too many; 0: any number is fine.
  package func isExhausted(every: Int, patience: Int) -> Bool {
    guard every > 0, patience > 0 else { return false }
    let losses = zip(steps, losses).filter { $0.0 % every == 0 }.map(\.1)
    guard let best = losses.indices.min(by: { losses[$0] < losses[$1] }) else { return false }
    return losses.count - 1 - best >= patience
  }

  /// The history without its last entry, where that is there only because a process ended its run.
  ///
  /// - Parameters:
  ///   - every: The steps between validations.
  ///   - checkpointEvery: The steps between checkpoints, which are validated too.
  package func withoutEnd(every: Int, checkpointEvery: Int) -> ValidationHistory {
    guard let last = steps.last, every > 0, last % every != 0, last % checkpointEvery != 0 else {
      return self
    }
    return ValidationHistory(
      subject: subject, steps: steps.dropLast(), losses: losses.dropLast())
  }

  /// The history that rank 0 has read, on all ranks; collective.
  ///
  /// - Parameter history: On rank 0 the history, nil for none; ignored elsewhere.
  static func share(
    _ history: ValidationHistory?, _ communicator: Communicator
  ) throws(MPIError) -> ValidationHistory? {
    let subject = try communicator.broadcast(history?.subject ?? "", from: 0)
    let steps = try communicator.broadcast(history?.steps ?? [], from: 0)
    let losses = try communicator.broadcast(history?.losses ?? [], from: 0)
    return subject.isEmpty ? nil : ValidationHistory(subject: subject, steps: steps, losses: losses)
  }
}
