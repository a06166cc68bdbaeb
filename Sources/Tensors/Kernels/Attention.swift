// Attention as products of small matrices, for one head of one image at a time.

/// Scaled dot-product attention of each pixel of a map to the pixels of a map (Vaswani et al. 2017,
/// equation 1): of the same one, or of another with other extents.
///
/// Legend: `q` (n, h, w, c) the queries, s = h w an image, `k`, `v` (n, h′, w′, c) keys and values,
/// r = h′ w′ an image, `p` (n, heads, s, r) the attention weights softmax(q kᵀ/√d), `y` = p v; d =
/// c/heads, a head owns d neighbouring channels.
public struct Attention: Sendable {
  /// How many of the queries and keys of each image there are; what lies behind them is padding.
  ///
  /// Padding is never read, and what belongs to it in a result is 0: an image's results have the
  /// same bits however far it is padded.
  public struct Lengths: Sendable {
    /// The queries of each image; nil: all.
    public let queries: [Int]?
    /// The keys and values of each image; nil: all.
    public let keys: [Int]?

    /// So many queries and keys of each image.
    public init(queries: [Int]? = nil, keys: [Int]? = nil) {
      (self.queries, self.keys) = (queries, keys)
    }
  }

  /// One head of one image: where it begins in queries, keys and weights, and its true extents.
  private struct Head {
    let query: Int
    let key: Int
    let weight: Int
    let queries: Int
    let keys: Int
  }

  /// The number of heads.
  public let heads: Int
  /// Whether a query reads the keys up to its own place only, as text is read.
  public let isCausal: Bool

  /// Attention with `heads` heads; 1 in Ho et al. 2020.
  public init(heads: Int, isCausal: Bool = false) {
    self.heads = heads
    self.isCausal = isCausal
  }

  /// The extents of the weights for queries of extents `q` and keys of extents `k`.
  public func weightsShape(for q: Shape, _ k: Shape) -> Shape {
    Shape(q.n, heads, q.h * q.w, k.h * k.w)
  }

  /// p ← softmax(q kᵀ/√d), y ← p v.
  public func forward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, weights p: Tensor, into y: Tensor,
    lengths: Lengths = Lengths(), _ pool: BufferPool
  ) {
    let (s, c) = (q.shape.h * q.shape.w, q.shape.c)
    let d = c / heads
    forEachHead(q.shape, k.shape, lengths, pool) { head, _ in
      let (p, target) = (p.pointer + head.weight, y.pointer + head.query)
      clear(target, head.queries..<s, count: d, stride: c)
      guard head.queries > 0 else { return }
      multiply(
        m: head.queries, n: head.keys, k: d, alpha: scale(d),
        Matrix(q.pointer + head.query, stride: c),
        Matrix(k.pointer + head.key, stride: c, transposed: true), into: p, stride: head.keys)
      for row in 0..<head.queries {
        let (line, visible) = (p + row * head.keys, visible(row, head))
        softmax(line, count: visible)
        (line + visible).update(repeating: 0, count: head.keys - visible)
      }
      multiply(
        m: head.queries, n: d, k: head.keys, Matrix(p, stride: head.keys),
        Matrix(v.pointer + head.key, stride: c), into: target, stride: c)
    }
  }

  /// dq, dk, dv ← the gradients of the queries, keys and values.
  public func backward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, weights p: Tensor, _ dy: Tensor,
    dq: Tensor, dk: Tensor, dv: Tensor, lengths: Lengths = Lengths(), _ pool: BufferPool
  ) {
    let (s, c) = (q.shape.h * q.shape.w, q.shape.c)
    let r = k.shape.h * k.shape.w
    let d = c / heads
    forEachHead(q.shape, k.shape, lengths, pool, scratch: s * r) { head, dp in
      let (queries, keys) = (head.queries, head.keys)
      clear(dq.pointer + head.query, queries..<s, count: d, stride: c)
      clear(dk.pointer + head.key, keys..<r, count: d, stride: c)
      clear(dv.pointer + head.key, keys..<r, count: d, stride: c)
      guard queries > 0 else { return }
      let p = p.pointer + head.weight
      let gradient = Matrix(dy.pointer + head.query, stride: c)
      multiply(
        m: keys, n: d, k: queries, Matrix(p, stride: keys, transposed: true), gradient,
        into: dv.pointer + head.key, stride: c)
      multiply(
        m: queries, n: keys, k: d, gradient,
        Matrix(v.pointer + head.key, stride: c, transposed: true), into: dp, stride: keys)
      for row in 0..<queries {
        let visible = visible(row, head)
        softmaxBackward(p + row * keys, dp + row * keys, count: visible)
        (dp + (row * keys + visible)).update(repeating: 0, count: keys - visible)
      }
      multiply(
        m: queries, n: d, k: keys, alpha: scale(d), Matrix(dp, stride: keys),
        Matrix(k.pointer + head.key, stride: c), into: dq.pointer + head.query, stride: c)
      multiply(
        m: keys, n: d, k: queries, alpha: scale(d), Matrix(dp, stride: keys, transposed: true),
        Matrix(q.pointer + head.query, stride: c), into: dk.pointer + head.key, stride: c)
    }
  }

  private func scale(_ d: Int) -> Float { Float(1 / Double(d).squareRoot()) }

  /// The number of keys that a query reads.
  private func visible(_ row: Int, _ head: Head) -> Int {
    isCausal ? min(row + 1, head.keys) : head.keys
  }

  /// Sets `count` neighbouring scalars of some rows to 0.
  private func clear(
    _ x: UnsafeMutablePointer<Float>, _ rows: Range<Int>, count: Int, stride: Int
  ) {
    for row in rows { (x + row * stride).update(repeating: 0, count: count) }
  }

  /// Visits each head of each image, with some scratch memory. Where there are no keys, there is
  /// nothing to say to queries either.
  private func forEachHead(
    _ q: Shape, _ k: Shape, _ lengths: Lengths, _ pool: BufferPool, scratch: Int = 0,
    _ body: @escaping (_ head: Head, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    let (s, r) = (q.h * q.w, k.h * k.w)
    precondition(q.n == k.n && q.c == k.c, "Queries and keys are of the same images and channels.")
    for (lengths, limit) in [(lengths.queries, s), (lengths.keys, r)] {
      guard let lengths else { continue }
      precondition(
        lengths.count == q.n && lengths.allSatisfy { 0...limit ~= $0 },
        "Each image has at most as many queries and keys as there is room for.")
    }
    let d = q.c / heads
    pool.split(q.n * heads, cost: 2 * s * r * d, scratch: scratch) { [heads] part, scratch in
      for index in part {
        let (n, head) = index.quotientAndRemainder(dividingBy: heads)
        let (queries, keys) = (lengths.queries?[n] ?? s, lengths.keys?[n] ?? r)
        let isEmpty = queries == 0 || keys == 0
        body(
          Head(
            query: n * q.imageCount + head * d, key: n * k.imageCount + head * d,
            weight: index * s * r, queries: isEmpty ? 0 : queries, keys: isEmpty ? 0 : keys),
          scratch)
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
