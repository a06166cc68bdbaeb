/// A 3×3 convolution to a few channels, those of an image: Winograd's to sixteen, of which the rest
/// is zero.
///
/// Unrolled, each of the many input channels would be copied nine times for one or three products.
/// Legend as in `WinogradConvolution`; o < 16.
struct NarrowConvolution {
  private let convolution: WinogradConvolution
  private let c: Int
  private let o: Int
  private let pool: BufferPool

  init(_ x: Shape, outputChannels o: Int, _ pool: BufferPool) {
    convolution = WinogradConvolution(x, outputChannels: 16, pool)
    c = x.c
    self.o = o
    self.pool = pool
  }

  /// y ← y + x ∗ W.
  func forward(_ x: Tensor, _ W: UnsafePointer<Float>, addingTo y: Tensor) {
    let offsets = [Float](repeating: 0, count: 16)
    let wide = Tensor(x.shape.with(channels: 16), in: pool)
    let kernels = widened(W, rows: 9 * c)
    withExtendedLifetime(kernels) {
      convolution.forward(
        x, kernels.pointer, offsets: offsets, offsetStride: 0, residual: nil, into: wide)
    }
    addNarrowed(wide.pointer, rows: wide.shape.pixels, to: y.pointer)
  }

  /// dW ← dW + xᵀ ∗ dy, and dx ← dy ∗ Wᵀ where `dx` is asked for.
  func backward(
    _ x: Tensor, _ W: UnsafePointer<Float>, _ dy: Tensor, dx: Tensor?,
    dW: UnsafeMutablePointer<Float>
  ) {
    let sums = Tensor(Shape(x.shape.n, 1, 1, 16), in: pool)
    let slope = Tensor(Shape(1, 9, c, 16), in: pool)
    slope.scalars.update(repeating: 0)
    sums.scalars.update(repeating: 0)
    let rows = x.shape.pixels
    let wide = Tensor(x.shape.with(channels: 16), in: pool)
    widen(dy.pointer, rows: rows, into: wide.pointer)
    let kernels = widened(W, rows: 9 * c)
    withExtendedLifetime((kernels, sums)) {
      convolution.backward(
        x, kernels.pointer, wide, dx: dx, dW: slope.pointer, sums: sums.pointer)
    }
    addNarrowed(slope.pointer, rows: 9 * c, to: dW)
  }

  private func widened(_ matrix: UnsafePointer<Float>, rows: Int) -> Tensor {
    let wide = Tensor(Shape(1, 1, rows, 16), in: pool)
    widen(matrix, rows: rows, into: wide.pointer)
    return wide
  }

  /// Copies rows of o scalars to rows of sixteen.
  private func widen(
    _ narrow: UnsafePointer<Float>, rows: Int, into wide: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows { put(load(narrow + row &* o, o), wide + row &* 16) }
  }

  /// Adds the first o of each sixteen scalars to rows of o.
  private func addNarrowed(
    _ wide: UnsafePointer<Float>, rows: Int, to narrow: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      for i in 0..<o { narrow[row &* o &+ i] += wide[row &* 16 &+ i] }
    }
  }
}
