// Where the forward pass ends and the backward pass begins.

import Tensors

extension Pass {
  /// Ends the forward pass with a loss and its gradient, from which `backward()` starts.
  ///
  /// - Parameters:
  ///   - y: The network's output, (n, h, w, c).
  ///   - evaluate: Returns the loss of y and fills its gradient, of the same shape.
  /// - Returns: The loss.
  @discardableResult
  public func loss<Failure: Error>(
    _ y: Variable, _ evaluate: (_ y: Tensor, _ gradient: Tensor) throws(Failure) -> Double
  ) throws(Failure) -> Double {
    let gradient = Tensor(y.shape, in: pool)
    let loss = try profile.measure(.batch) { () throws(Failure) in
      try evaluate(y.value, gradient)
    }
    seed(y) { gradient }
    return loss
  }

  /// The mean of the squared differences, summed in Double.
  ///
  /// - Parameters:
  ///   - y: The network's output, (n, h, w, c).
  ///   - target: (n, h, w, c).
  @discardableResult
  public func meanSquaredError(_ y: Variable, _ target: Tensor) -> Double {
    precondition(y.shape == target.shape, "The target must have the output's shape.")
    let count = y.shape.count
    return loss(y) { y, gradient in
      var sum = 0.0
      for i in 0..<count {
        let difference = y.pointer[i] - target.pointer[i]
        gradient.pointer[i] = difference * (2 / Float(count))
        sum += Double(difference) * Double(difference)
      }
      return sum / Double(count)
    }
  }
}
