// Splitting a map by its channels on the tape: the adjoint of concatenation.

import Tensors

extension Pass {
  /// The first channels of a map, and the others.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - channels: c₁, 1 … c − 1.
  /// - Returns: (n, h, w, c₁) and (n, h, w, c − c₁).
  package func split(_ x: Variable, at channels: Int) -> (Variable, Variable) {
    precondition(0 < channels && channels < x.shape.c, "Each part has a channel.")
    return (columns(0..<channels, of: x), columns(channels..<x.shape.c, of: x))
  }

  /// Some neighbouring channels of a map.
  private func columns(_ range: Range<Int>, of x: Variable) -> Variable {
    let (whole, part) = (x.shape, x.shape.with(channels: range.count))
    let y = Tensor(part, in: pool)
    profile.measure(.elementwise) {
      copyColumns(
        of: x.value.pointer + range.lowerBound, stride: whole.c, to: y.pointer, stride: part.c,
        part)
    }
    let slot = x.slot
    return record(y, as: .elementwise, from: slot) { [unowned self] dy in
      let dx = Tensor(whole, in: pool)
      dx.scalars.update(repeating: 0)
      copyColumns(
        of: dy.pointer, stride: part.c, to: dx.pointer + range.lowerBound, stride: whole.c, part)
      slot?.add(dx, pool)
    }
  }
}
