// What a user or a file can ask of this module in vain.

/// The faults that a user's settings or a file can cause here.
public enum DiffusionError: Error, Equatable, Sendable {
  /// A chain needs at least one step.
  case noSteps(Int)
  /// β_t, `value`, is not in the open interval (0, 1); `t` is counted from 1.
  case invalidBeta(t: Int, value: Double)
  /// A list of β for another number of steps.
  case wrongCount(betas: Int, steps: Int)
  /// ᾱ_t is 0 in a Double from step `t` on.
  case nothingLeft(t: Int, steps: Int)
  /// A subset of `steps` steps was asked of a chain that has `available`.
  case invalidSubset(steps: Int, available: Int)
  /// Steps that are no subset of 1 … `available`: none, one twice, one beyond, or another number.
  case invalidGrid(steps: [Int], available: Int)
  /// A network that emits ε says nothing of x_0 where ᾱ_T = 0.
  case noiseAloneAtTheEnd
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
      "The noise schedule has β_\(t) = \(value): every β must lie strictly between 0 and 1; the last may "
        + "be 1."
    case .wrongCount(let betas, let steps):
      "The list of the schedule has \(betas) numbers for \(steps) diffusion steps: give it one for "
        + "each."
    case .nothingLeft(let t, let steps):
      "The noise schedule leaves nothing of an image from step \(t) of \(steps) on: give it fewer "
        + "steps, or smaller β."
    case .invalidSubset(let steps, let available):
      "Cannot choose \(steps) of \(available) diffusion steps: ask for 1 to \(available)."
    case .invalidGrid(let steps, let available):
      "The steps \(steps) are no grid: list different steps from 1 to \(available), as many as are "
        + "asked for."
    case .noiseAloneAtTheEnd:
      "The noise schedule leaves nothing of the image at its last step, where the noise tells "
        + "nothing of the image: choose the prediction v or clean."
    case .meanPredictionNeedsEveryStep:
      "The bound of a network that predicts the mean needs all its diffusion steps."
    }
  }
}
