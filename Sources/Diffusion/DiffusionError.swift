/// The faults that a user's settings or a file can cause here.
public enum DiffusionError: Error, Equatable, Sendable {
  /// A chain needs at least one step.
  case noSteps(Int)
  /// β_t, `value`, is not in the open interval (0, 1); `t` is counted from 1.
  case invalidBeta(t: Int, value: Double)
  /// A subset of `steps` steps was asked of a chain that has `available`.
  case invalidSubset(steps: Int, available: Int)
  /// A network that emits μ knows one chain only, so its steps cannot be skipped.
  case meanPredictionNeedsEveryStep
}

extension DiffusionError: CustomStringConvertible {
  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .noSteps(let steps):
      "The noise schedule has \(steps) steps: give it at least 1."
    case .invalidBeta(let t, let value):
      "The noise schedule has β_\(t) = \(value): every β must lie strictly between 0 and 1."
    case .invalidSubset(let steps, let available):
      "Cannot choose \(steps) of \(available) diffusion steps: ask for 1 to \(available)."
    case .meanPredictionNeedsEveryStep:
      "A network that predicts the mean needs all its diffusion steps: sample without a step count."
    }
  }
}
