// Convolutions that mix channels, but no pixels.

/// A 1×1 convolution: one matrix product over the pixels, on weights packed into panels.
///
/// Legend: `x` (pixels, c), `W` (c, o), `y` (pixels, o). The panels of W that stay in the cache are
/// multiplied with all pixels before the next ones. A last panel of fewer than sixteen columns is
/// filled up with zeros, and its results are cut off.
struct PointwiseConvolution {
  /// The number of rows from which it pays to pack the weights first.
  private static let packedRows = 24
  /// The scalars of W that are kept in the cache.
  private static let chunkScalars = 1 << 15

  private let c: Int
  private let o: Int
  private let pool: BufferPool

  /// Whether so many columns fill their panels well enough; others are better multiplied elsewhere.
  static func suits(columns: Int) -> Bool { columns % 16 == 0 || columns > 48 }

  init(c: Int, o: Int, _ pool: BufferPool) {
    self.c = c
    self.o = o
    self.pool = pool
  }

  /// y ← x W + b, plus `residual` where there is one.
  ///
  /// - Parameters:
  ///   - biases: b, (n, o), or (o) for all images; nil: 0.
  ///   - biasStride: The distance between the biases of two images: o, or 0.
  func forward(
    _ x: Tensor, _ W: UnsafePointer<Float>, biases: UnsafePointer<Float>?, biasStride: Int,
    residual: Tensor?, into y: Tensor
  ) {
    // Images that share their biases are one long image.
    let images = biasStride == 0 ? 1 : x.shape.n
    let pixels = x.shape.pixels / images
    forEachChunk(of: o, depth: c) { panels in
      let isPacked = x.shape.pixels >= Self.packedRows || panels.upperBound * 16 > o
      let packed = isPacked ? pack(W, panels) : nil
      for n in 0..<images {
        pool.split(pixels, cost: c * 16 * panels.count) { [c, o] part in
          PanelProduct.forEachGroup(part.count) { start, rows in
            let row = n * pixels + part.lowerBound + start
            for panel in panels {
              let (column, target) = (panel * 16, row * o + panel * 16)
              let lanes = min(16, o - column)
              var (b, bStride) = (W + column, o)
              if let packed {
                (b, bStride) = (
                  UnsafePointer(packed.pointer + (panel - panels.lowerBound) * c * 16), 16
                )
              }
              var v = Vector()
              if let biases { v = load(biases + (n * biasStride + column), lanes) }
              var addend: UnsafePointer<Float>?
              if let residual { addend = UnsafePointer(residual.pointer + target) }
              PanelProduct.overColumns(
                lanes, rows: rows, depth: c, x.pointer + row * c, stride: c, b, stride: bStride,
                plus: v, addend: addend, into: y.pointer + target, stride: o)
            }
          }
        }
      }
    }
  }

  /// dx ← dy Wᵀ.
  func backward(_ dy: Tensor, _ W: UnsafePointer<Float>, into dx: Tensor) {
    let turned = Tensor(Shape(1, 1, o, c), in: pool)
    transpose(W, rows: c, columns: o, stride: o, into: turned.pointer)
    withExtendedLifetime(turned) {
      PointwiseConvolution(c: o, o: c, pool).forward(
        dy, turned.pointer, biases: nil, biasStride: 0, residual: nil, into: dx)
    }
  }

  /// Some panels of W, one after the other.
  private func pack(_ W: UnsafePointer<Float>, _ panels: Range<Int>) -> Tensor {
    let packed = Tensor(Shape(1, panels.count, c, 16), in: pool)
    for panel in panels {
      let (target, lanes) = (
        packed.pointer + (panel - panels.lowerBound) * c * 16, min(16, o - panel * 16)
      )
      for row in 0..<c { put(load(W + (row * o + panel * 16), lanes), target + row * 16) }
    }
    return packed
  }

  private func forEachChunk(
    of channels: Int, depth: Int, _ body: (_ panels: Range<Int>) -> Void
  ) {
    let panels = (channels + 15) / 16
    let limit = max(1, Self.chunkScalars / (16 * depth))
    for start in stride(from: 0, to: panels, by: limit) {
      body(start..<min(start + limit, panels))
    }
  }
}
