// Concatenation on the tape, for the skip connections of the UNet.

import Tensors

extension Pass {
  /// The channels of `a` followed by those of `b`.
  ///
  /// - Parameters:
  ///   - a: (n, h, w, c₁).
  ///   - b: (n, h, w, c₂).
  /// - Returns: (n, h, w, c₁ + c₂).
  package func concatenate(_ a: Variable, _ b: Variable) -> Variable {
    let (aShape, bShape) = (a.shape, b.shape)
    let (ca, cb) = (aShape.c, bShape.c)
    precondition(
      aShape.with(channels: cb) == bShape, "Only maps of the same pixels can be concatenated.")
    let y = Tensor(aShape.with(channels: ca + cb), in: pool)
    profile.measure(.elementwise) {
      copyColumns(of: a.value.pointer, stride: ca, to: y.pointer, stride: ca + cb, aShape)
      copyColumns(of: b.value.pointer, stride: cb, to: y.pointer + ca, stride: ca + cb, bShape)
    }
    let (aSlot, bSlot) = (a.slot, b.slot)
    return record(y, as: .elementwise, from: aSlot, bSlot) { [unowned self] dy in
      if let aSlot {
        let da = Tensor(aShape, in: pool)
        copyColumns(of: dy.pointer, stride: ca + cb, to: da.pointer, stride: ca, aShape)
        aSlot.add(da, pool)
      }
      if let bSlot {
        let db = Tensor(bShape, in: pool)
        copyColumns(of: dy.pointer + ca, stride: ca + cb, to: db.pointer, stride: cb, bShape)
        bSlot.add(db, pool)
      }
    }
  }
}

/// Copies `shape.c` neighbouring columns of the (pixels, channels) matrix.
func copyColumns(
  of source: UnsafePointer<Float>, stride: Int, to target: UnsafeMutablePointer<Float>,
  stride targetStride: Int, _ shape: Shape
) {
  for pixel in 0..<shape.pixels {
    (target + pixel * targetStride).update(from: source + pixel * stride, count: shape.c)
  }
}
