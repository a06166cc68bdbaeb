import Tensors

extension Pass {
  /// Dropout: each scalar is 0 with probability `rate`, else divided by 1 − rate.
  ///
  /// The masks come from the streams given to the pass, one an image; a pass without streams drops
  /// nothing. The masks are not stored: the way back draws the same numbers again.
  package func dropOut(_ x: Variable, rate: Double) -> Variable {
    let shape = x.shape
    guard rate > 0,
      let (streams, block) = dropoutBlocks((shape.imageCount + 3) / 4, images: shape.n)
    else { return x }
    let y = Tensor(shape, in: pool)
    let mask: (Tensor, Tensor) -> Void = { source, target in
      for n in 0..<shape.n {
        applyMask(streams[n], block, rate, source.image(n), into: target.image(n))
      }
    }
    profile.measure(.elementwise) { mask(x.value, y) }
    let slot = x.slot
    return record(y, as: .elementwise, from: slot) { [unowned self] dy in
      let dx = Tensor(shape, in: pool)
      mask(dy, dx)
      slot?.add(dx, pool)
    }
  }
}

/// y ← x/(1 − rate) where the scalar's random word is at least rate · 2³², else 0.
private func applyMask(
  _ stream: RandomStream, _ firstBlock: Int, _ rate: Double,
  _ x: UnsafeMutableBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>
) {
  let threshold = UInt32(rate * 0x1p32)
  let scale = Float(1 / (1 - rate))
  for block in 0..<(x.count + 3) / 4 {
    let words = stream.words(firstBlock + block)
    for i in 4 * block..<min(4 * block + 4, x.count) {
      y[i] = words[i - 4 * block] >= threshold ? x[i] * scale : 0
    }
  }
}
