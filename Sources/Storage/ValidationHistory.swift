// What validation has found so far.

/// The losses of fixed images at some steps of a run, as a checkpoint keeps them.
public struct ValidationHistory: Equatable, Sendable {
  /// Which loss of which images, in words: losses of one subject can be compared.
  public let subject: String
  /// The numbers of steps done, rising.
  public private(set) var steps: [Int]
  /// The loss after each of these steps.
  public private(set) var losses: [Double]

  /// A history, empty at first.
  public init(subject: String, steps: [Int] = [], losses: [Double] = []) {
    precondition(steps.count == losses.count, "Each step has a loss.")
    self.subject = subject
    self.steps = steps
    self.losses = losses
  }

  /// Adds the loss of a later step.
  public mutating func append(step: Int, loss: Double) {
    precondition(step > steps.last ?? -1, "Steps rise.")
    steps.append(step)
    losses.append(loss)
  }
}
