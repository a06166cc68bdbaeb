// A learned vector in the place of what is missing, on the tape.

import Tensors

extension Pass {
  /// A map in which the first pixel of some images is a learned vector, and their others are 0.
  ///
  /// - Parameters:
  ///   - vector: (c).
  ///   - images: The images that it stands in for, in ascending order.
  ///   - x: (n, h, w, c).
  /// - Returns: (n, h, w, c).
  package func substitute(_ vector: Parameter, for images: [Int], of x: Variable) -> Variable {
    let c = x.shape.c
    precondition(vector.range.count == c, "The vector must have the channels of the map.")
    let y = Tensor(x.shape, in: pool)
    profile.measure(.elementwise) {
      y.pointer.update(from: x.value.pointer, count: y.shape.count)
      for n in images {
        y.image(n).update(repeating: 0)
        y.image(n).baseAddress!.update(from: weights(vector), count: c)
      }
    }
    return record(y, as: .elementwise, from: x.slot, parameters: [vector]) { [unowned self] dy in
      if learnsParameters {
        let gradient = gradient(vector)
        for n in images { Elementwise.add(dy.image(n).baseAddress!, to: gradient, count: c) }
      }
      guard let slot = x.slot else { return }
      let dx = Tensor(x.shape, in: pool)
      dx.pointer.update(from: dy.pointer, count: dy.shape.count)
      for n in images { dx.image(n).update(repeating: 0) }
      slot.add(dx, pool)
    }
  }
}
