// The softmax of attention, block by block of its scores.

extension Attention {
  /// The largest scores and the sums of exponentials of some queries so far.
  struct Softmax {
    private let first: Int
    private let maxima: UnsafeMutablePointer<Float>
    private let sums: UnsafeMutablePointer<Float>

    /// Nothing is known yet; `scratch` holds two scalars a query.
    init(_ queries: Range<Int>, at scratch: UnsafeMutablePointer<Float>) {
      first = queries.lowerBound
      (maxima, sums) = (scratch, scratch + queries.count)
      maxima.update(repeating: -.infinity, count: queries.count)
      sums.update(repeating: 0, count: queries.count)
    }

    /// Turns a block of the scores of a query into exponentials, and what the query has summed so far to
    /// the scale of the largest score.
    ///
    /// - Parameter y: The sum of earlier blocks, `d` scalars; not read where this is the first.
    func add(
      _ scores: UnsafeMutablePointer<Float>, count: Int, of query: Int,
      _ y: UnsafeMutablePointer<Float>, _ d: Int
    ) {
      guard count > 0 else { return }
      let before = maxima[query - first]
      let largest = max(before, Self.largest(scores, count))
      let shift = Vector(repeating: largest)
      var total = Vector()
      forEachPanel(count) { i, lanes in
        let e = exponential(load(scores + i, lanes) - shift)
        store(e, scores + i, lanes)
        total += lanes == 16 ? e : load(scores + i, lanes)
      }
      if before < largest, before != -.infinity {
        let factor = exponential(Vector(repeating: before - largest))[0]
        sums[query - first] *= factor
        Self.multiply(y, by: factor, count: d)
      }
      sums[query - first] += total.sum()
      maxima[query - first] = largest
    }

    /// Divides what a query has summed by its sum of exponentials.
    ///
    /// - Returns: The largest score, and the sum's inverse.
    func finish(
      _ query: Int, _ x: UnsafeMutablePointer<Float>, count: Int
    ) -> (largest: Float, factor: Float) {
      let factor = 1 / sums[query - first]
      Self.multiply(x, by: factor, count: count)
      return (maxima[query - first], factor)
    }

    private static func largest(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
      var result = Vector(repeating: x[0])
      let whole = count & ~15
      for i in stride(from: 0, to: whole, by: 16) {
        let next = vector(x + i)
        result = result.replacing(with: next, where: next .> result)
      }
      var largest = result.largest
      for i in whole..<count { largest = max(largest, x[i]) }
      return largest
    }

    /// x ← factor x.
    static func multiply(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
      forEachPanel(count) { i, lanes in store(load(x + i, lanes) * factor, x + i, lanes) }
    }
  }
}

extension SIMD16<Float> {
  /// The largest lane, found by halves; `max()` takes one lane after the other.
  fileprivate var largest: Float {
    let eight = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
    let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    return Swift.max(Swift.max(four[0], four[1]), Swift.max(four[2], four[3]))
  }
}
