import Tensors

extension Pass {
  /// y = a + b, both (n, h, w, c).
  package func add(_ a: Variable, _ b: Variable) -> Variable {
    precondition(a.shape == b.shape, "Only maps of one shape can be added.")
    let y = Tensor(a.shape, in: pool)
    profile.measure(.elementwise) {
      Elementwise.sum(a.value.pointer, b.value.pointer, into: y.pointer, count: y.shape.count)
    }
    let (a, b) = (a.slot, b.slot)
    return record(y, as: .elementwise, from: a, b) { [unowned self] dy in
      a?.add(dy, pool)
      b?.add(dy, pool)
    }
  }

  /// y = x + v: the vector of each image is added to each of its pixels.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - v: (n, 1, 1, c).
  /// - Returns: (n, h, w, c).
  package func add(_ x: Variable, vector v: Variable) -> Variable {
    precondition(
      v.shape == Shape(x.shape.n, 1, 1, x.shape.c), "Each image needs one vector of its channels.")
    let (pixels, c) = (x.shape.h * x.shape.w, x.shape.c)
    let y = Tensor(x.shape, in: pool)
    profile.measure(.elementwise) {
      y.pointer.update(from: x.value.pointer, count: x.shape.count)
      for n in 0..<x.shape.n {
        Elementwise.addToRows(
          v.value.pointer + n * c, of: y.image(n).baseAddress!, rows: pixels, c: c)
      }
    }
    let (xSlot, vSlot, vShape) = (x.slot, v.slot, v.shape)
    return record(y, as: .elementwise, from: xSlot, vSlot) { [unowned self] dy in
      xSlot?.add(dy, pool)
      guard let vSlot else { return }
      let dv = Tensor(vShape, in: pool)
      dv.scalars.update(repeating: 0)
      for n in 0..<vShape.n {
        Elementwise.addRowSum(
          of: dy.image(n).baseAddress!, rows: pixels, c: c, to: dv.pointer + n * c)
      }
      vSlot.add(dv, pool)
    }
  }
}
