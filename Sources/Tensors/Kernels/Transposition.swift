// Transposition in blocks of four by four scalars.

/// B ← Aᵀ for row-major A (rows, columns), whose rows are `stride` apart, and B without gaps.
func transpose(
  _ a: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int,
  into b: UnsafeMutablePointer<Float>
) {
  let (wholeRows, wholeColumns) = (rows & ~15, columns & ~15)
  for row in Swift.stride(from: 0, to: wholeRows, by: 16) {
    for column in Swift.stride(from: 0, to: wholeColumns, by: 16) {
      transposeBlock(
        a + (row &* stride &+ column), stride: stride, into: b + (column &* rows &+ row),
        stride: rows)
    }
  }
  for row in 0..<rows {
    for column in (row < wholeRows ? wholeColumns : 0)..<columns {
      b[column * rows + row] = a[row * stride + column]
    }
  }
}

/// B ← Aᵀ for sixteen rows of sixteen scalars.
@inline(__always)
func transposeBlock(
  _ a: UnsafePointer<Float>, stride aStride: Int, into b: UnsafeMutablePointer<Float>,
  stride bStride: Int
) {
  for column in 0..<4 {
    for row in 0..<4 {
      let source = UnsafeRawPointer(a + (4 &* row &* aStride &+ 4 &* column))
      let target = UnsafeMutableRawPointer(b + (4 &* column &* bStride &+ 4 &* row))
      @inline(__always)
      func load(_ i: Int) -> SIMD4<Float> {
        source.loadUnaligned(fromByteOffset: 4 &* i &* aStride, as: SIMD4<Float>.self)
      }
      @inline(__always)
      func store(_ i: Int, _ vector: SIMD4<Float>) {
        target.storeBytes(of: vector, toByteOffset: 4 &* i &* bStride, as: SIMD4<Float>.self)
      }
      // Twice the first half is interleaved with the second, as a deck of cards is shuffled.
      let (a, c) = interleave(load(0), load(2))
      let (b, d) = interleave(load(1), load(3))
      let (first, second) = interleave(a, b)
      let (third, fourth) = interleave(c, d)
      store(0, first)
      store(1, second)
      store(2, third)
      store(3, fourth)
    }
  }
}

/// a₀, b₀, a₁, b₁ and a₂, b₂, a₃, b₃.
@inline(__always)
private func interleave(
  _ a: SIMD4<Float>, _ b: SIMD4<Float>
) -> (SIMD4<Float>, SIMD4<Float>) {
  var (first, second) = (SIMD4<Float>(), SIMD4<Float>())
  (first.evenHalf, first.oddHalf) = (a.lowHalf, b.lowHalf)
  (second.evenHalf, second.oddHalf) = (a.highHalf, b.highHalf)
  return (first, second)
}
