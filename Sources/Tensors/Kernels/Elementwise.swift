// Kernels that plain loops compute.

/// The simple loops over arrays: sums, scaled copies, sums over rows.
public enum Elementwise {
  /// y ← y + x for `count` scalars.
  public static func add(
    _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { y[i] += x[i] }
  }

  /// y ← a + b for `count` scalars.
  public static func sum(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { y[i] = a[i] + b[i] }
  }

  /// y ← x + v for each row of x (rows, c) and the vector v (c).
  public static func sumOfRows(
    _ x: UnsafePointer<Float>, _ v: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
    rows: Int, c: Int
  ) {
    for row in 0..<rows { sum(x + row * c, v, into: y + row * c, count: c) }
  }

  /// Sets each row of y (rows, c) to the vector v (c).
  public static func fillRows(
    _ v: UnsafePointer<Float>, of y: UnsafeMutablePointer<Float>, rows: Int, c: Int
  ) {
    for row in 0..<rows { (y + row * c).update(from: v, count: c) }
  }

  /// Adds the sum of the rows of x (rows, c) to v (c).
  ///
  /// Rows are summed in blocks of 64 and the blocks then, which keeps the rounding error of long
  /// sums small.
  public static func addRowSum(
    of x: UnsafePointer<Float>, rows: Int, c: Int, to v: UnsafeMutablePointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: c) { partial in
      let partialSum = partial.baseAddress!
      for start in stride(from: 0, to: rows, by: 64) {
        partialSum.update(repeating: 0, count: c)
        for row in start..<min(start + 64, rows) { add(x + row * c, to: partialSum, count: c) }
        add(partialSum, to: v, count: c)
      }
    }
  }
}
