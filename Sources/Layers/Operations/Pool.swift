// Average pooling on the tape.

import Tensors

extension Pass {
  /// Average pooling by two: (n, 2h, 2w, c) → (n, h, w, c).
  package func averagePool(_ x: Variable) -> Variable {
    let y = Tensor(AveragePooling.outputShape(for: x.shape), in: pool)
    profile.measure(.elementwise) { AveragePooling.forward(x.value, into: y) }
    let (slot, shape) = (x.slot, x.shape)
    return record(y, as: .elementwise, from: slot) { [unowned self] dy in
      let dx = Tensor(shape, in: pool)
      AveragePooling.backward(dy, into: dx)
      slot?.add(dx, pool)
    }
  }
}
