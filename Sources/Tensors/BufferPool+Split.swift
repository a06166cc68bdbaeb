// How a kernel cuts a loop into parts, so that threads with nothing to do help with it.

extension BufferPool {
  /// The multiplications and additions that are worth the way to another thread: a microsecond.
  private static let leastCost = 1 << 15

  /// Runs `body` for 0 ..< count, in one piece or in parts beside threads that have nothing to do.
  ///
  /// - Parameters:
  ///   - cost: The multiplications and additions of one item, about.
  ///   - body: Writes what no other part reads or writes, with the same bits whatever the parts. It
  ///     may run on other threads, and must not use a pool.
  func split(_ count: Int, cost: Int, _ body: @escaping (Range<Int>) -> Void) {
    guard let (helpers, parts, places) = parts(of: count, cost: cost) else {
      return body(0..<count)
    }
    helped += helpers.share(parts: parts, places: places) { part, _ in
      body((0..<count).part(part, of: parts))
    }
  }

  /// As `split(_:cost:_:)`, with `scratch` scalars for each thread, aligned to 64 bytes, with
  /// unspecified contents.
  func split(
    _ count: Int, cost: Int, scratch: Int,
    _ body: @escaping (Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    guard let (helpers, parts, places) = parts(of: count, cost: cost) else {
      return withScratch(count: scratch) { body(0..<count, $0) }
    }
    let stride = (scratch + 15) & ~15
    withScratch(count: places * stride) { scratch in
      helped += helpers.share(parts: parts, places: places) { part, place in
        body((0..<count).part(part, of: parts), scratch + place * stride)
      }
    }
  }

  /// Into how many parts a loop is cut, and for how many threads; nil: not at all.
  private func parts(of count: Int, cost: Int) -> (Helpers, parts: Int, places: Int)? {
    guard let helpers, helpers.count > 0 else { return nil }
    let places = helpers.count + 1
    let grain = max(1, Self.leastCost / max(1, cost))
    // More parts than threads, as these are not equally fast.
    let parts = min(count / grain, 3 * places)
    return parts > 1 ? (helpers, parts, places) : nil
  }
}

extension Range where Bound == Int {
  /// One of some parts of about equal size, by its number.
  func part(_ number: Int, of parts: Int) -> Range {
    lowerBound + count * number / parts..<lowerBound + count * (number + 1) / parts
  }

  /// The range of the same length that begins so much later.
  func shifted(by offset: Int) -> Range { lowerBound + offset..<upperBound + offset }
}
