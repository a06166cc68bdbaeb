// The plainest loss, for tests of networks.

import Layers
import Tensors

extension Pass {
  /// The mean of the squared differences, summed in Double.
  ///
  /// - Parameters:
  ///   - y: The network's output, (n, h, w, c).
  ///   - target: (n, h, w, c).
  @discardableResult
  public func meanSquaredError(_ y: Variable, _ target: Tensor) -> Double {
    precondition(y.shape == target.shape, "The target must have the output's shape.")
    let count = y.shape.count
    return loss(of: y) { gradients in
      var sum = 0.0
      for i in 0..<count {
        let difference = y.value.pointer[i] - target.pointer[i]
        gradients.first?.pointer[i] = difference * (2 / Float(count))
        sum += Double(difference) * Double(difference)
      }
      return sum / Double(count)
    }
  }
}
