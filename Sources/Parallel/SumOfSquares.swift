// The norm of a gradient, block by block.

/// The sum of squares of a block, in Double and in one fixed order.
///
/// Sixteen running sums, one for each place modulo 16, are added from the first to the last at the
/// end. Double holds the square of every finite Float, so the sum is finite exactly if all
/// elements are.
///
/// - Parameter x: Any number of elements.
/// - Returns: Σ xᵢ².
func sumOfSquares(_ x: UnsafeBufferPointer<Float>) -> Double {
  guard let start = x.baseAddress else { return 0 }
  var low = SIMD8<Double>()
  var high = SIMD8<Double>()
  let whole = x.count & ~15
  var i = 0
  while i < whole {
    var a = SIMD8<Double>()
    var b = SIMD8<Double>()
    for lane in 0..<8 {
      a[lane] = Double(start[i + lane])
      b[lane] = Double(start[i + 8 + lane])
    }
    low += a * a
    high += b * b
    i += 16
  }
  while i < x.count {
    let value = Double(start[i])
    if i & 15 < 8 { low[i & 15] += value * value } else { high[i & 7] += value * value }
    i += 1
  }
  var sum = 0.0
  for lane in 0..<8 { sum += low[lane] }
  for lane in 0..<8 { sum += high[lane] }
  return sum
}
