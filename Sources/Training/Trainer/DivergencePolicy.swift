// What a run does when it diverges.

/// The values of the setting `on_divergence`.
///
/// All of them leave the weights alone where loss or gradient are not finite.
public enum DivergencePolicy: String, CaseIterable, Equatable, Sendable {
  /// The run ends.
  case stop
  /// Suspicious steps are left out; the run ends where there are too many in a row.
  case skip
  /// The run goes back to the last healthy checkpoint, and leaves out the batches since then; it ends
  /// where it would have to do so too often.
  case rollback

  /// How often a run goes back. A fault of the data or of the machine is gone after one time; where
  /// three have not helped, the settings are wrong.
  package static let rollbacks = 3

  /// What to do with a step, before its update.
  package enum Action: Equatable {
    /// Update the weights.
    case update
    /// Leave the weights as they are, and go on.
    case skip(DivergenceWatch.Evidence)
    /// The run has diverged.
    case diverge(DivergenceWatch.Evidence)
  }

  /// What to do with a step.
  package func action(for verdict: DivergenceWatch.Verdict) -> Action {
    switch verdict {
    case .healthy: .update
    case .suspicious(let evidence)
    where evidence.isDivergence || evidence.isExplosion && self != .skip:
      .diverge(evidence)
    case .suspicious(let evidence): self == .skip ? .skip(evidence) : .update
    case .notFinite(let evidence):
      self == .skip && !evidence.isDivergence ? .skip(evidence) : .diverge(evidence)
    }
  }
}

/// The steps that a run has taken back.
package struct Rollback: Equatable, Sendable {
  /// The step of the checkpoint that it went back to, or 0.
  package let target: Int
  /// The step that it had come to: it goes on with the one after it.
  package let step: Int

  /// Steps taken back.
  package init(target: Int, step: Int) { (self.target, self.step) = (target, step) }
}

/// Which checkpoints a run would go back to: those that any equal run has, too.
///
/// A checkpoint that was made because the job was asked to stop is none of them: an uninterrupted run
/// has it not, and would go back to another. Nor is one from which the run has diverged again without
/// one healthy step: it goes further back then.
package struct RollbackTargets: Sendable {
  private let every: Int
  private let lastHealthyStep: Int
  private let rollbacks: [Rollback]

  /// The checkpoints of a run.
  ///
  /// - Parameters:
  ///   - every: The steps between checkpoints.
  ///   - lastHealthyStep: The last step that is not suspicious.
  ///   - rollbacks: Those of the run: what was taken back is no target.
  package init(every: Int, lastHealthyStep: Int, rollbacks: [Rollback]) {
    (self.every, self.lastHealthyStep, self.rollbacks) = (every, lastHealthyStep, rollbacks)
  }

  /// Those of some checkpoints, newest first.
  ///
  /// - Parameter steps: The steps of checkpoints, rising.
  package func among(_ steps: [Int]) -> [Int] {
    let useless = rollbacks.last.flatMap { $0.step >= lastHealthyStep ? $0.target : nil }
    return steps.reversed().filter { step in
      step > 0 && step <= lastHealthyStep && step % every == 0
        && step < useless ?? .max && !rollbacks.contains { $0.target < step && step < $0.step }
    }
  }
}
