// The gradient of attention, by the same blocks.

extension Attention {
  /// dq, dk, dv ← the gradients of the queries, keys and values.
  ///
  /// With P = e^(S − μ)/Σ e^(S − μ), D = Σ dy y over a head's channels, dS = P (dy vᵀ − D): dv = Pᵀ dy,
  /// dq = dS k/√d, dk = dSᵀ q/√d.
  ///
  /// - Parameters:
  ///   - trace: What `forward` has left.
  ///   - y: What `forward` has written.
  ///   - precision: The format of the products' operands.
  public func backward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, trace: Trace, _ y: Tensor, _ dy: Tensor,
    dq: Tensor, dk: Tensor, dv: Tensor, lengths: Lengths = Lengths(),
    precision: Precision = .float32, _ pool: BufferPool
  ) {
    switch precision {
    case .float32:
      backward(
        Float32Operands.self, q, k, v, trace: trace, y, dy, dq: dq, dk: dk, dv: dv,
        lengths: lengths, pool)
    case .bfloat16:
      backward(
        BFloat16Operands.self, q, k, v, trace: trace, y, dy, dq: dq, dk: dk, dv: dv,
        lengths: lengths, pool)
    }
  }

  private func backward<Operands: OperandFormat>(
    _ operands: Operands.Type, _ q: Tensor, _ k: Tensor, _ v: Tensor, trace: Trace, _ y: Tensor,
    _ dy: Tensor, dq: Tensor, dk: Tensor, dv: Tensor, lengths: Lengths, _ pool: BufferPool
  ) {
    let (s, r, c) = (q.shape.h * q.shape.w, k.shape.h * k.shape.w, q.shape.c)
    let d = c / heads
    check(q.shape, k.shape, lengths)
    let rooms = Rooms(queries: s, keys: r, channels: d, termsPerWord: Operands.termsPerWord)
    pool.split(q.shape.n * heads, cost: 5 * s * r * d, scratch: rooms.count) {
      [self] part, scratch in
      for number in part {
        let head = head(number, q.shape, k.shape, lengths)
        clear(dq.pointer + head.query, head.queries..<s, count: d, stride: c)
        clear(dk.pointer + head.key, head.keys..<r, count: d, stride: c)
        clear(dv.pointer + head.key, head.keys..<r, count: d, stride: c)
        guard head.queries > 0 else { continue }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: head.queries) { dots in
          let dots = dots.baseAddress!
          for row in 0..<head.queries {
            let place = head.query + row * c
            dots[row] = Self.dot(dy.pointer + place, y.pointer + place, d)
          }
          Self.forEachBlock(head.keys, limit: Self.keysOfBlock, unit: 16) { keys in
            backward(
              operands, keys, of: head, q.pointer + head.query, k.pointer + head.key,
              v.pointer + head.key,
              dy.pointer + head.query, trace, count: s, dots,
              dq: dq.pointer + head.query, dk: dk.pointer + head.key, dv: dv.pointer + head.key,
              d, stride: c, rooms.placed(at: scratch))
          }
        }
      }
    }
  }

  /// The part of one block of keys in the gradients of a head: all of theirs, and what is added to that
  /// of each query.
  private func backward<Operands: OperandFormat>(
    _ operands: Operands.Type, _ keys: Range<Int>, of head: Head, _ q: UnsafePointer<Float>,
    _ k: UnsafePointer<Float>,
    _ v: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ trace: Trace, count s: Int,
    _ dots: UnsafePointer<Float>, dq: UnsafeMutablePointer<Float>,
    dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>, _ d: Int, stride c: Int,
    _ scratch: Scratch
  ) {
    typealias Packed = PackedOperands<Operands>
    let key = keys.lowerBound * c
    let line = Self.scoreStride(trace.weights == nil ? keys.count : trace.weights!.shape.c)
    if trace.weights == nil {
      Packed.packTransposed(k + key, rows: keys.count, d, stride: c, into: scratch.turnedKeys)
    }
    Packed.packTransposed(v + key, rows: keys.count, d, stride: c, into: scratch.turnedValues)
    Packed.packPanels(
      k + key, rows: keys.count, d, stride: c,
      lines: Packed.wholePanels(keys.count) / Operands.termsPerWord, into: scratch.keys)
    var isFirst = true
    Self.forEachBlock(head.queries, limit: Self.queriesOfBlock, unit: Self.queryUnit) { queries in
      if isCausal, keys.lowerBound >= queries.upperBound { return }
      let query = queries.lowerBound * c
      let lines = Operands.wordCount(queries.count)
      Packed.packPanels(
        q + query, rows: queries.count, d, stride: c, lines: lines, into: scratch.queries)
      Packed.packPanels(
        dy + query, rows: queries.count, d, stride: c, lines: lines, into: scratch.gradients)
      var weights = scratch.weights
      if let kept = trace.weights {
        weights = kept.pointer + (head.number * s + queries.lowerBound) * line
      } else {
        Self.multiply(
          operands, rows: queries.count, columns: keys.count, depth: d, alpha: scale(d),
          q + query, stride: c, room: scratch.rows, panels: scratch.turnedKeys, into: weights,
          stride: line)
      }
      Self.multiply(
        operands, rows: queries.count, columns: keys.count, depth: d, alpha: 1, dy + query,
        stride: c, room: scratch.rows, panels: scratch.turnedValues, into: scratch.slopes,
        stride: line)
      for row in queries {
        let place = (row - queries.lowerBound) * line
        let (p, dS) = (weights + place, scratch.slopes + place)
        let visible = visible(row, keys)
        if let scales = trace.scales {
          let scale = scales.pointer + (2 * head.number * s + row)
          let (largest, factor) = (Vector(repeating: scale[0]), scale[s])
          forEachPanel(visible) { i, lanes in
            store(exponential(load(p + i, lanes) - largest) * factor, p + i, lanes)
          }
          (p + visible).update(repeating: 0, count: keys.count - visible)
        }
        let dot = Vector(repeating: dots[row])
        forEachPanel(visible) { i, lanes in
          store(load(p + i, lanes) * (load(dS + i, lanes) - dot), dS + i, lanes)
        }
        (dS + visible).update(repeating: 0, count: keys.count - visible)
      }
      Self.multiplyTransposed(
        operands, rows: keys.count, columns: d, depth: queries.count, alpha: 1, weights,
        stride: line, room: scratch.rows, panels: scratch.gradients, adds: !isFirst,
        into: dv + key, stride: c)
      Self.multiplyTransposed(
        operands, rows: keys.count, columns: d, depth: queries.count, alpha: scale(d),
        scratch.slopes, stride: line, room: scratch.rows, panels: scratch.queries,
        adds: !isFirst, into: dk + key, stride: c)
      Self.multiply(
        operands, rows: queries.count, columns: d, depth: keys.count, alpha: scale(d),
        scratch.slopes, stride: line, room: scratch.rows, panels: scratch.keys,
        adds: keys.lowerBound > 0, into: dq + query, stride: c)
      isFirst = false
    }
    if isFirst {  // all of these keys come after the last query
      clear(dk + key, 0..<keys.count, count: d, stride: c)
      clear(dv + key, 0..<keys.count, count: d, stride: c)
    }
  }

  private static func dot(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int
  ) -> Float {
    var sum = Vector()
    forEachPanel(count) { i, lanes in
      sum = multiplyAdd(load(a + i, lanes), load(b + i, lanes), sum)
    }
    return sum.sum()
  }

  /// How much scratch memory a thread needs, and for what.
  private struct Rooms {
    private let keys: Int
    private let rows: Int
    private let queries: Int
    private let scores: Int

    init(queries s: Int, keys r: Int, channels d: Int, termsPerWord: Int) {
      func whole(_ count: Int) -> Int { (count + 15) & ~15 }
      let (queryCount, keyCount) = (min(s, queriesOfBlock), min(r, keysOfBlock))
      keys = whole(keyCount) * whole(d) / termsPerWord
      rows =
        termsPerWord == 1 ? 0 : whole(queryCount) * max(whole(keyCount), whole(d)) / termsPerWord
      queries = whole(queryCount) * whole(d) / termsPerWord
      scores = queryCount * scoreStride(keyCount)
    }

    /// The scalars of all.
    var count: Int { 3 * keys + rows + 2 * queries + 2 * scores }

    func placed(at scratch: UnsafeMutablePointer<Float>) -> Scratch {
      var end = scratch
      func room(_ count: Int) -> UnsafeMutablePointer<Float> {
        defer { end += count }
        return end
      }
      return Scratch(
        turnedKeys: room(keys), turnedValues: room(keys), keys: room(keys), rows: room(rows),
        queries: room(queries), gradients: room(queries), weights: room(scores),
        slopes: room(scores))
    }
  }

  /// The packed operands of a block, its weights P and their gradients.
  private struct Scratch {
    let turnedKeys, turnedValues, keys: UnsafeMutablePointer<Float>
    /// The left operand of one product after the other, where it is not read as it is.
    let rows: UnsafeMutablePointer<Float>
    let queries, gradients: UnsafeMutablePointer<Float>
    let weights, slopes: UnsafeMutablePointer<Float>
  }
}
