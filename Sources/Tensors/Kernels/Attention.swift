// Attention by blocks of queries and keys: its memory grows with the pixels, not with their square.

/// Scaled dot-product attention of each pixel of a map to the pixels of a map (Vaswani et al. 2017,
/// equation 1): of the same one, or of another with other extents.
///
/// Legend: `q` (n, h, w, c) the queries, s = h w an image, `k`, `v` (n, h′, w′, c) keys and values,
/// r = h′ w′ an image, S = q kᵀ/√d the scores, P = softmax(S) the attention weights, `y` = P v; d =
/// c/heads, a head owns d neighbouring channels.
///
/// S and P exist for one block of queries and keys at a time. The softmax is made up block by block:
/// each query keeps the largest score so far and the sum of the exponentials below it (Milakov,
/// Gimelshein 2018, algorithm 3), from which the backward pass computes P again (Dao et al. 2022,
/// algorithm 4); where P takes no more memory than `y`, it is kept instead. Blocks and what is kept
/// follow from an image's own extents, so that no bit depends on other images, on padding or on who
/// computes.
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

  /// What the forward pass leaves for the backward pass.
  public struct Trace {
    /// P, (n, heads, s, r) with some room between rows; nil: `scales` are kept.
    let weights: Tensor?
    /// The largest score μ of each query and 1/Σ e^(S − μ), (n, heads, 2, s); nil: P is kept.
    let scales: Tensor?
  }

  /// One head of one image: its number, where it begins in queries and keys, and its true extents.
  struct Head {
    let number: Int
    let query: Int
    let key: Int
    let queries: Int
    let keys: Int
  }

  /// The queries of a block at most: with their scores, what the cache next to the CPU holds.
  static let queriesOfBlock = 96
  /// What the queries of a block are a multiple of.
  static let queryUnit = 6
  /// The keys of a block at most.
  static let keysOfBlock = 256
  /// The distance between the scores of two queries for so many keys: an odd number of cache lines, so
  /// that a column of them is spread over the cache.
  static func scoreStride(_ keys: Int) -> Int { ((keys + 15) / 16 | 1) * 16 }

  /// The number of heads.
  public let heads: Int
  /// Whether a query reads the keys up to its own place only, as text is read.
  public let isCausal: Bool

  /// Attention with `heads` heads; 1 in Ho et al. 2020.
  public init(heads: Int, isCausal: Bool = false) {
    self.heads = heads
    self.isCausal = isCausal
  }

  /// Room for what the backward pass needs of queries and keys of these extents.
  public func trace(_ q: Shape, _ k: Shape, in pool: BufferPool) -> Trace {
    let (s, r) = (q.h * q.w, k.h * k.w)
    return r <= Self.keysOfBlock && heads * r <= q.c
      ? Trace(weights: Tensor(Shape(q.n, heads, s, Self.scoreStride(r)), in: pool), scales: nil)
      : Trace(weights: nil, scales: Tensor(Shape(q.n, heads, 2, s), in: pool))
  }

  /// y ← softmax(q kᵀ/√d) v.
  ///
  /// - Parameters:
  ///   - trace: Gets what the backward pass needs.
  ///   - precision: The format of the products' operands: queries, keys, values and weights.
  public func forward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, trace: Trace, into y: Tensor,
    lengths: Lengths = Lengths(), precision: Precision = .float32, _ pool: BufferPool
  ) {
    switch precision {
    case .float32:
      forward(Float32Operands.self, q, k, v, trace: trace, into: y, lengths: lengths, pool)
    case .bfloat16:
      forward(BFloat16Operands.self, q, k, v, trace: trace, into: y, lengths: lengths, pool)
    }
  }

  private func forward<Operands: OperandFormat>(
    _ operands: Operands.Type, _ q: Tensor, _ k: Tensor, _ v: Tensor, trace: Trace,
    into y: Tensor, lengths: Lengths, _ pool: BufferPool
  ) {
    typealias Packed = PackedOperands<Operands>
    let (s, r, c) = (q.shape.h * q.shape.w, k.shape.h * k.shape.w, q.shape.c)
    let d = c / heads
    check(q.shape, k.shape, lengths)
    let keyCount = min(r, Self.keysOfBlock)
    let stride = Self.scoreStride(keyCount)
    let (keys, channels) = (Packed.wholePanels(keyCount), Packed.wholePanels(d))
    let keyRoom = keys * channels / Operands.termsPerWord
    let block = min(s, Self.queriesOfBlock)
    let rowRoom =
      Operands.termsPerWord == 1 ? 0 : block * max(keys, channels) / Operands.termsPerWord
    // Queries are independent of each other: those of one head are several parts of the loop.
    let chunk = 4 * Self.queriesOfBlock
    let chunks = (s + chunk - 1) / chunk
    pool.split(
      q.shape.n * heads * chunks, cost: 2 * min(s, chunk) * r * d,
      scratch: 2 * keyRoom + rowRoom + block * stride + 2 * min(s, chunk)
    ) { [self] part, scratch in
      let (packedKeys, packedValues) = (scratch, scratch + keyRoom)
      let packedRows = packedValues + keyRoom
      let scoreRoom = packedRows + rowRoom
      for index in part {
        let (number, piece) = index.quotientAndRemainder(dividingBy: chunks)
        let head = head(number, q.shape, k.shape, lengths)
        let all = piece * chunk..<min((piece + 1) * chunk, s)
        let rows = all.clamped(to: 0..<head.queries)
        let y = y.pointer + head.query
        clear(y, max(all.lowerBound, rows.upperBound)..<all.upperBound, count: d, stride: c)
        let softmax = Softmax(rows, at: scoreRoom + block * stride)
        Self.forEachBlock(head.keys, limit: Self.keysOfBlock, unit: 16) { keys in
          if isCausal, keys.lowerBound >= rows.upperBound { return }
          let key = head.key + keys.lowerBound * c
          Packed.packTransposed(k.pointer + key, rows: keys.count, d, stride: c, into: packedKeys)
          Packed.packPanels(
            v.pointer + key, rows: keys.count, d, stride: c,
            lines: Packed.wholePanels(keys.count) / Operands.termsPerWord, into: packedValues)
          Self.forEachBlock(rows.count, limit: Self.queriesOfBlock, unit: Self.queryUnit) {
            let queries = $0.shifted(by: rows.lowerBound)
            let scores =
              trace.weights.map { $0.pointer + (number * s + queries.lowerBound) * stride }
              ?? scoreRoom
            Self.multiply(
              operands, rows: queries.count, columns: keys.count, depth: d, alpha: scale(d),
              q.pointer + (head.query + queries.lowerBound * c), stride: c, room: packedRows,
              panels: packedKeys, into: scores, stride: stride)
            for row in queries {
              let line = scores + (row - queries.lowerBound) * stride
              let visible = visible(row, keys)
              softmax.add(line, count: visible, of: row, y + row * c, d)
              (line + visible).update(repeating: 0, count: keys.count - visible)
            }
            Self.multiply(
              operands, rows: queries.count, columns: d, depth: keys.count, alpha: 1, scores,
              stride: stride, room: packedRows, panels: packedValues, adds: keys.lowerBound > 0,
              into: y + queries.lowerBound * c, stride: c)
          }
        }
        for row in rows {
          let (largest, factor) = softmax.finish(row, y + row * c, count: d)
          if let weights = trace.weights {
            let line = weights.pointer + (number * s + row) * stride
            Softmax.multiply(line, by: factor, count: visible(row, 0..<head.keys))
          } else if let scales = trace.scales {
            let target = scales.pointer + (2 * number * s + row)
            (target[0], target[s]) = (largest, factor)
          }
        }
      }
    }
  }

  // MARK: Heads

  func scale(_ d: Int) -> Float { Float(1 / Double(d).squareRoot()) }

  /// How many keys of a block a query reads.
  func visible(_ query: Int, _ keys: Range<Int>) -> Int {
    isCausal ? min(max(query + 1 - keys.lowerBound, 0), keys.count) : keys.count
  }

  /// Sets `count` neighbouring scalars of some rows to 0.
  func clear(
    _ x: UnsafeMutablePointer<Float>, _ rows: Range<Int>, count: Int, stride: Int
  ) {
    for row in rows { (x + row * stride).update(repeating: 0, count: count) }
  }

  func check(_ q: Shape, _ k: Shape, _ lengths: Lengths) {
    precondition(q.n == k.n && q.c == k.c, "Queries and keys are of the same images and channels.")
    for (lengths, limit) in [(lengths.queries, q.h * q.w), (lengths.keys, k.h * k.w)] {
      guard let lengths else { continue }
      precondition(
        lengths.count == q.n && lengths.allSatisfy { 0...limit ~= $0 },
        "Each image has at most as many queries and keys as there is room for.")
    }
  }

  /// A head by its number among those of all images. Where there are no keys, there is nothing to say
  /// to queries either.
  func head(_ number: Int, _ q: Shape, _ k: Shape, _ lengths: Lengths) -> Head {
    let (n, head) = number.quotientAndRemainder(dividingBy: heads)
    let (s, d) = (q.h * q.w, q.c / heads)
    let (queries, keys) = (lengths.queries?[n] ?? s, lengths.keys?[n] ?? k.h * k.w)
    let isEmpty = queries == 0 || keys == 0
    return Head(
      number: number, query: n * q.imageCount + head * d, key: n * k.imageCount + head * d,
      queries: isEmpty ? 0 : queries, keys: isEmpty ? 0 : keys)
  }
}
