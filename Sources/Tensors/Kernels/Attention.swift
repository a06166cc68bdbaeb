// Attention as products of small matrices, for one head of one image at a time.

/// Scaled dot-product attention over all pixels of a map (Vaswani et al. 2017, equation 1).
///
/// Legend: `q`, `k`, `v` (n, h, w, c) queries, keys and values, `p` (n, heads, s, s) with s = h w
/// the attention weights softmax(q kᵀ/√d), `y` = p v; d = c/heads, a head owns d neighbouring
/// channels.
public struct Attention: Sendable {
  /// The number of heads.
  public let heads: Int

  /// Attention with `heads` heads; 1 in Ho et al. 2020.
  public init(heads: Int) { self.heads = heads }

  /// The extents of the weights for queries of extents `q`.
  public func weightsShape(for q: Shape) -> Shape { Shape(q.n, heads, q.h * q.w, q.h * q.w) }

  /// p ← softmax(q kᵀ/√d), y ← p v.
  public func forward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, weights p: Tensor, into y: Tensor, _ pool: BufferPool
  ) {
    let (s, c) = (q.shape.h * q.shape.w, q.shape.c)
    let d = c / heads
    forEachHead(q.shape, pool) { offset, weightOffset, _ in
      let p = p.pointer + weightOffset
      multiply(
        m: s, n: s, k: d, alpha: scale(d), Matrix(q.pointer + offset, stride: c),
        Matrix(k.pointer + offset, stride: c, transposed: true), into: p, stride: s)
      for row in 0..<s { softmax(p + row * s, count: s) }
      multiply(
        m: s, n: d, k: s, Matrix(p, stride: s), Matrix(v.pointer + offset, stride: c),
        into: y.pointer + offset, stride: c)
    }
  }

  /// dq, dk, dv ← the gradients of the queries, keys and values.
  public func backward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, weights p: Tensor, _ dy: Tensor,
    dq: Tensor, dk: Tensor, dv: Tensor, _ pool: BufferPool
  ) {
    let (s, c) = (q.shape.h * q.shape.w, q.shape.c)
    let d = c / heads
    forEachHead(q.shape, pool, scratch: s * s) { offset, weightOffset, dp in
      let p = p.pointer + weightOffset
      let gradient = Matrix(dy.pointer + offset, stride: c)
      multiply(
        m: s, n: d, k: s, Matrix(p, stride: s, transposed: true), gradient,
        into: dv.pointer + offset, stride: c)
      multiply(
        m: s, n: s, k: d, gradient, Matrix(v.pointer + offset, stride: c, transposed: true),
        into: dp, stride: s)
      for row in 0..<s { softmaxBackward(p + row * s, dp + row * s, count: s) }
      multiply(
        m: s, n: d, k: s, alpha: scale(d), Matrix(dp, stride: s),
        Matrix(k.pointer + offset, stride: c), into: dq.pointer + offset, stride: c)
      multiply(
        m: s, n: d, k: s, alpha: scale(d), Matrix(dp, stride: s, transposed: true),
        Matrix(q.pointer + offset, stride: c), into: dk.pointer + offset, stride: c)
    }
  }

  private func scale(_ d: Int) -> Float { Float(1 / Double(d).squareRoot()) }

  /// Visits each head of each image: where it begins in q, k, v, y and where in the weights; with
  /// some scratch memory.
  private func forEachHead(
    _ q: Shape, _ pool: BufferPool, scratch: Int = 0,
    _ body:
      @escaping (
        _ offset: Int, _ weightOffset: Int, _ scratch: UnsafeMutablePointer<Float>
      ) -> Void
  ) {
    let s = q.h * q.w
    let d = q.c / heads
    pool.split(q.n * heads, cost: 2 * s * s * d, scratch: scratch) { [heads] part, scratch in
      for index in part {
        let (n, head) = index.quotientAndRemainder(dividingBy: heads)
        body(n * q.imageCount + head * d, index * s * s, scratch)
      }
    }
  }

  /// p ← softmax(p) over one row, shifted by its maximum.
  private func softmax(_ p: UnsafeMutablePointer<Float>, count: Int) {
    var maximum = p[0]
    for i in 1..<max(count, 1) { maximum = max(maximum, p[i]) }
    var sum = SIMD16<Float>()
    let shift = SIMD16<Float>(repeating: maximum)
    forEachVector(count) { i, lanes in
      let e = exponential(load(p + i, lanes) - shift)
      store(e, p + i, lanes)
      sum += lanes == 16 ? e : load(p + i, lanes)
    }
    let factor = 1 / sum.sum()
    for i in 0..<count { p[i] *= factor }
  }

  /// dp ← p (dp − Σ dp p) over one row: the gradient of the scores.
  private func softmaxBackward(
    _ p: UnsafePointer<Float>, _ dp: UnsafeMutablePointer<Float>, count: Int
  ) {
    var sum = SIMD16<Float>()
    forEachVector(count) { i, lanes in sum += load(p + i, lanes) * load(dp + i, lanes) }
    let dot = sum.sum()
    for i in 0..<count { dp[i] = p[i] * (dp[i] - dot) }
  }
}
