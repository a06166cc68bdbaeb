// Addition on the tape, where no convolution precedes it.

import Tensors

extension Pass {
  /// a + b for each scalar of two maps of one shape; behind a convolution it is fused with that
  /// instead.
  package func add(_ a: Variable, _ b: Variable) -> Variable {
    precondition(a.shape == b.shape, "Only maps of one shape can be added.")
    let y = Tensor(a.shape, in: pool)
    profile.measure(.elementwise) {
      Elementwise.sum(a.value.pointer, b.value.pointer, into: y.pointer, count: y.shape.count)
    }
    return record(y, as: .elementwise, from: a.slot, b.slot) { [unowned self] dy in
      a.slot?.add(dy, pool)
      b.slot?.add(dy, pool)
    }
  }
}
