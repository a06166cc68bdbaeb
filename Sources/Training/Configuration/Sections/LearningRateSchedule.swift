// How the learning rate changes after the warm-up.

import Foundation

/// How the learning rate changes after the warm-up: a function of the step alone.
public enum LearningRateSchedule: String, CaseIterable, Sendable {
  /// Not at all.
  case constant
  /// Down to 0 at the last step, along half a wave (Loshchilov, Hutter 2017, equation 5, without
  /// restarts).
  case cosine
  /// As one over the root of the step (Kingma, Ba 2015, section 4).
  case inverseSquareRoot = "inverse_sqrt"
}

extension OptimizerSettings {
  /// The learning rate of a step.
  ///
  /// Of t steps with this one, a warm-up over w of them, and the rate η, it is η min(1, t/w) times
  ///
  ///     cosine         ½ + ½ cos(π (t − w)/(N − w)) for t > w, N being `learningRateSteps`
  ///     inverse_sqrt   1/√max(t/t₀, 1), t₀ being `learningRateReference`
  ///
  /// - Parameter step: The number of steps done before, t − 1.
  package func learningRate(atStep step: Int) -> Double {
    let (t, warmUp) = (Double(step + 1), Double(max(warmupSteps, 1)))
    let rate = learningRate * min(1, t / warmUp)
    switch learningRateSchedule {
    case .constant:
      return rate
    case .cosine:
      guard let steps = learningRateSteps else {
        preconditionFailure("The end of the cosine schedule is filled in first.")
      }
      let w = Double(warmupSteps)
      guard t > w else { return rate }
      // At its end and behind it, where only a benchmark goes, the rate is 0.
      return rate * (0.5 + 0.5 * cos(.pi * min((t - w) / max(Double(steps) - w, 0), 1)))
    case .inverseSquareRoot:
      return rate / max(t / Double(learningRateReference ?? max(warmupSteps, 1)), 1).squareRoot()
    }
  }
}
