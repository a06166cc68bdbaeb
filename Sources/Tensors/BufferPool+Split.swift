/// How a kernel cuts a loop into parts, so that threads with nothing to do help with it.

extension BufferPool {
  /// The multiplications and additions that are worth the way to another thread: some microseconds.
  private static let leastCost = 1 << 15

  /// Runs `body` for 0 ..< count, in one piece or in parts beside threads that have nothing to do.
  ///
  /// - Parameters:
  ///   - cost: The multiplications and additions of one item, about.
  ///   - body: Writes what no other part reads or writes, with the same bits whatever the parts. It
  ///     may run on other threads, and must not use a pool.
  func split(_ count: Int, cost: Int, _ body: @escaping (Range<Int>) -> Void) {
    split(count, cost: cost, scratch: 0) { range, _ in body(range) }
  }

  /// As `split(_:cost:_:)`, with `scratch` scalars for each part, aligned to 64 bytes, with
  /// unspecified contents.
  func split(
    _ count: Int, cost: Int, scratch: Int,
    _ body: @escaping (Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    let parts = partCount(of: count, cost: cost)
    let scratchStride = (scratch + 15) & ~15
    withScratch(count: parts * scratchStride) { scratch in
      guard let helpers, parts > 1 else { return body(0..<count, scratch) }
      helpers.share(parts: parts) { part in
        body(
          count * part / parts..<count * (part + 1) / parts, scratch + part * scratchStride)
      }
    }
  }

  /// More parts than threads, as these are not equally fast; one where nobody can help.
  private func partCount(of count: Int, cost: Int) -> Int {
    guard let helpers = helpers?.count, helpers > 0 else { return 1 }
    let grain = max(1, Self.leastCost / max(1, cost))
    return max(1, min(count / grain, 3 * (helpers + 1)))
  }
}

extension Range where Bound == Int {
  /// The range of the same length that begins so much later.
  func shifted(by offset: Int) -> Range { lowerBound + offset..<upperBound + offset }
}
