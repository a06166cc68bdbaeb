// A soft bound on the tape: what would leave an interval comes to rest at its end.

import Foundation
import Tensors

extension Pass {
  /// a + softplus(x − a) − softplus(x − b) for each scalar: nearly x within the interval [a, b], and
  /// never outside of it.
  ///
  /// A hard bound has no slope outside, where a scalar that has got there would stay.
  package func bound(_ x: Variable, to interval: ClosedRange<Double>) -> Variable {
    let (a, b) = (interval.lowerBound, interval.upperBound)
    func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    let y = Tensor(x.shape, in: pool)
    profile.measure(.elementwise) {
      for i in 0..<x.shape.count {
        let value = Double(x.value.pointer[i])
        y.pointer[i] = Float(a + softplus(value - a) - softplus(value - b))
      }
    }
    return record(y, as: .elementwise, from: x.slot) { [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      for i in 0..<x.shape.count {
        let value = Double(x.value.pointer[i])
        dx.pointer[i] = Float(Double(dy.pointer[i]) * (sigmoid(value - a) - sigmoid(value - b)))
      }
      x.slot?.add(dx, pool)
    }
  }
}
