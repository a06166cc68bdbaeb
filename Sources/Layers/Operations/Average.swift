// The mean of a sequence on the tape.

import Tensors

extension Pass {
  /// The mean of the first positions of each sequence.
  ///
  /// - Parameters:
  ///   - x: (n, 1, s, c).
  ///   - lengths: How many positions of each sequence count, 0 … s; what lies behind is not read.
  /// - Returns: (n, 1, 1, c), 0 where no position counts.
  package func average(_ x: Variable, lengths: [Int]) -> Variable {
    let (shape, c) = (x.shape, x.shape.c)
    precondition(
      shape.h == 1 && lengths.count == shape.n && lengths.allSatisfy { 0...shape.w ~= $0 },
      "Each sequence has a length, at most the one that there is room for.")
    let y = Tensor(Shape(shape.n, 1, 1, c), in: pool)
    profile.measure(.elementwise) {
      y.scalars.update(repeating: 0)
      for (n, length) in lengths.enumerated() {
        let (source, target) = (x.value.image(n).baseAddress!, y.pointer + n * c)
        for position in 0..<length {
          Elementwise.add(source + position * c, to: target, count: c)
        }
        let factor = 1 / Float(max(length, 1))
        for i in 0..<c { target[i] *= factor }
      }
    }
    return record(y, as: .elementwise, from: x.slot) { [unowned self] dy in
      let dx = Tensor(shape, in: pool)
      dx.scalars.update(repeating: 0)
      for (n, length) in lengths.enumerated() {
        let (source, target) = (dy.pointer + n * c, dx.image(n).baseAddress!)
        let factor = 1 / Float(max(length, 1))
        for position in 0..<length {
          for i in 0..<c { target[position * c + i] = source[i] * factor }
        }
      }
      x.slot?.add(dx, pool)
    }
  }
}
