// Upsampling on the tape.

import Tensors

extension Pass {
  /// Nearest-neighbour upsampling by two: (n, h, w, c) → (n, 2h, 2w, c).
  package func upsample(_ x: Variable) -> Variable {
    let y = Tensor(Upsampling.outputShape(for: x.shape), in: pool)
    profile.measure(.elementwise) { Upsampling.forward(x.value, into: y) }
    let (slot, shape) = (x.slot, x.shape)
    return record(y, as: .elementwise, from: slot) { [unowned self] dy in
      let dx = Tensor(shape, in: pool)
      Upsampling.backward(dy, into: dx)
      slot?.add(dx, pool)
    }
  }
}
