// Other extents for the same scalars, on the tape.

import Tensors

extension Pass {
  /// The same scalars of each image with other extents: a map as a vector, or back.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - shape: (n, h′, w′, c′) with as many scalars.
  package func reshape(_ x: Variable, to shape: Shape) -> Variable {
    precondition(
      shape.n == x.shape.n && shape.count == x.shape.count, "An image keeps its scalars.")
    let whole = x.shape
    return record(x.value.reshaped(to: shape), as: .elementwise, from: x.slot) {
      [unowned self] dy in
      x.slot?.add(dy.reshaped(to: whole), pool)
    }
  }
}
