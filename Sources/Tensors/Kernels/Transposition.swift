/// Transposition in vectors of sixteen scalars.

/// B ← Aᵀ for row-major A (rows, columns), whose rows are `stride` apart, and B without gaps.
func transpose(
  _ a: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int,
  into b: UnsafeMutablePointer<Float>
) {
  withUnsafeTemporaryAllocation(of: Vector.self, capacity: 16) { block in
    let block = block.baseAddress!
    let (wholeRows, wholeColumns) = (rows & ~15, columns & ~15)
    for row in Swift.stride(from: 0, to: wholeRows, by: 16) {
      for column in Swift.stride(from: 0, to: wholeColumns, by: 16) {
        transposed(a + (row &* stride &+ column), stride: stride, into: block)
        for i in 0..<16 { put(block[i], b + ((column &+ i) &* rows &+ row)) }
      }
    }
    for row in 0..<rows {
      for column in (row < wholeRows ? wholeColumns : 0)..<columns {
        b[column * rows + row] = a[row * stride + column]
      }
    }
  }
}

/// Writes the columns of sixteen rows of sixteen scalars as vectors.
@inline(__always)
func transposed(
  _ source: UnsafePointer<Float>, stride: Int, into target: UnsafeMutablePointer<Vector>
) {
  for i in 0..<16 { target[i] = vector(source + i &* stride) }
  // Four times the first half is interleaved with the second, as a deck of cards is shuffled.
  withUnsafeTemporaryAllocation(of: Vector.self, capacity: 16) { half in
    let half = half.baseAddress!
    shuffle(target, into: half)
    shuffle(half, into: target)
    shuffle(target, into: half)
    shuffle(half, into: target)
  }
}

/// Interleaves the first eight of sixteen vectors with the last.
@inline(__always)
private func shuffle(_ a: UnsafeMutablePointer<Vector>, into b: UnsafeMutablePointer<Vector>) {
  for i in 0..<8 {
    b[2 &* i] = interleave(a[i].lowHalf, a[8 &+ i].lowHalf)
    b[2 &* i &+ 1] = interleave(a[i].highHalf, a[8 &+ i].highHalf)
  }
}

/// a₀, b₀, a₁, b₁ … of two half vectors.
@inline(__always)
private func interleave(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
  var both = Vector()
  both.evenHalf = a
  both.oddHalf = b
  return both
}
