// The innermost loops of this module's matrix products.

/// Matrix products that keep six rows of sixteen columns in registers.
///
/// Legend: C (rows, 16) ← C₀ + Σ_k a(row, k) B(k, 16). A panel is a column of sixteen-vectors, one
/// under the other; `b` points to a panel of B, `c` to the rows of a panel of C. Six rows of C stay
/// in registers while k runs, so that each vector of B that is loaded serves six products. Every
/// element is summed over k from the first to the last by fused multiplications and additions,
/// whatever the number of rows computed together: an element's bits do not depend on the others.
enum PanelProduct {
  /// The rows of C that are computed together: with two vectors of eight lanes each, all that
  /// sixteen registers hold.
  static let rows = 6

  /// Calls `body` for groups of rows that are computed together, of about equal size: a group of
  /// one or two rows would wait for its own sums.
  @inline(__always)
  static func forEachGroup(_ count: Int, _ body: (_ first: Int, _ rows: Int) -> Void) {
    let groups = (count &+ rows &- 1) / rows
    var (first, rest) = (0, groups)
    while rest > 0 {
      let size = (count &- first &+ rest &- 1) / rest
      body(first, size)
      first &+= size
      rest &-= 1
    }
  }

  /// C ← a B for channels in panels: k runs through `panels` panels of sixteen channels, which are
  /// `panelStride` apart; the rows are neighbours within a panel.
  ///
  /// - Parameter stride: The distance between vectors of the panel of B.
  @inline(never)
  static func overChannels(
    rows: Int, panels: Int, _ a: UnsafePointer<Float>, panelStride: Int,
    _ b: UnsafePointer<Float>, stride: Int, into c: UnsafeMutablePointer<Float>
  ) {
    select(rows) { rows in
      var sums = Rows(repeating: Vector())
      var (a, b) = (a, b)
      for _ in 0..<panels {
        sums.add(rows, steps: 16, a, row: 16, step: 1, b, stride: stride)
        a += panelStride
        b += 16 &* stride
      }
      sums.forEach(rows) { put($1, c + $0 &* 16) }
    }
  }

  /// C ← aᵀ B for `count` vectors of two panels: the sixteen rows of C are the channels of a.
  ///
  /// - Parameter stride: The distance between rows of C.
  @inline(never)
  static func overVectors(
    _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    @inline(__always)
    func compute(_ first: Int, _ rows: Int) {
      var sums = Rows(repeating: Vector())
      sums.add(rows, steps: count, a + first, row: 1, step: 16, b, stride: 16)
      sums.forEach(rows) { put($1, c + (first &+ $0) &* stride) }
    }
    compute(0, 6)
    compute(6, 5)
    compute(11, 5)
  }

  /// C ← a B + v, plus the rows of `addend` where there is one, for row-major a and C.
  ///
  /// - Parameters:
  ///   - columns: The columns of C and of the addend that exist, 1 to 16.
  ///   - depth: The number of columns of a.
  ///   - aStride: The distance between rows of a.
  ///   - bStride: The distance between vectors of the panel of B.
  ///   - cStride: The distance between rows of C and of the addend.
  @inline(never)
  static func overColumns(
    _ columns: Int, rows: Int, depth: Int, _ a: UnsafePointer<Float>, stride aStride: Int,
    _ b: UnsafePointer<Float>, stride bStride: Int, plus v: Vector,
    addend: UnsafePointer<Float>?, into c: UnsafeMutablePointer<Float>, stride cStride: Int
  ) {
    select(rows) { rows in
      var sums = Rows(repeating: v)
      if let addend { sums.add(rows, addend, columns, stride: cStride) }
      sums.add(rows, steps: depth, a, row: aStride, step: 1, b, stride: bStride)
      sums.forEach(rows) { store($1, c + $0 &* cStride, columns) }
    }
  }

  /// C ← α a B, added to C where `adds`, for any distances: those of a transposed or row-major a.
  ///
  /// - Parameters:
  ///   - columns: The columns of C that exist, 1 to 16.
  ///   - row: The distance between rows of a.
  ///   - step: The distance between neighbouring k of a.
  ///   - bStride: The distance between vectors of the panel of B.
  ///   - cStride: The distance between rows of C.
  @inline(never)
  static func strided(
    _ columns: Int, rows: Int, depth: Int, alpha: Float, _ a: UnsafePointer<Float>, row: Int,
    step: Int,
    _ b: UnsafePointer<Float>, stride bStride: Int, adds: Bool,
    into c: UnsafeMutablePointer<Float>, stride cStride: Int
  ) {
    select(rows) { rows in
      var sums = Rows(repeating: Vector())
      sums.add(rows, steps: depth, a, row: row, step: step, b, stride: bStride)
      sums.forEach(rows) { i, sum in
        let target = c + i &* cStride
        store(adds ? load(target, columns) + sum * alpha : sum * alpha, target, columns)
      }
    }
  }

  /// Calls `body` with a number that the compiler knows in each of its copies.
  @inline(__always)
  private static func select(_ rows: Int, _ body: (Int) -> Void) {
    switch rows {
    case 6: body(6)
    case 5: body(5)
    case 4: body(4)
    case 3: body(3)
    case 2: body(2)
    default: body(1)
    }
  }

  /// Up to six rows of C; those beyond the number in use are optimised away.
  private struct Rows {
    var (c0, c1, c2, c3, c4, c5): (Vector, Vector, Vector, Vector, Vector, Vector)

    @inline(__always)
    init(repeating v: Vector) { (c0, c1, c2, c3, c4, c5) = (v, v, v, v, v, v) }

    /// C ← C + Σ_k a(row, k) B(k, 16) for `steps` values of k.
    @inline(__always)
    mutating func add(
      _ rows: Int, steps: Int, _ a: UnsafePointer<Float>, row: Int, step: Int,
      _ b: UnsafePointer<Float>, stride: Int
    ) {
      var (a, b) = (a, b)
      for _ in 0..<steps {
        let v = vector(b)
        c0 = multiplyAdd(v, a[0], c0)
        if rows > 1 { c1 = multiplyAdd(v, a[row], c1) }
        if rows > 2 { c2 = multiplyAdd(v, a[2 &* row], c2) }
        if rows > 3 { c3 = multiplyAdd(v, a[3 &* row], c3) }
        if rows > 4 { c4 = multiplyAdd(v, a[4 &* row], c4) }
        if rows > 5 { c5 = multiplyAdd(v, a[5 &* row], c5) }
        a += step
        b += stride
      }
    }

    /// C ← C + the rows of an addend, of which `lanes` columns exist.
    @inline(__always)
    mutating func add(_ rows: Int, _ addend: UnsafePointer<Float>, _ lanes: Int, stride: Int) {
      c0 += load(addend, lanes)
      if rows > 1 { c1 += load(addend + stride, lanes) }
      if rows > 2 { c2 += load(addend + 2 &* stride, lanes) }
      if rows > 3 { c3 += load(addend + 3 &* stride, lanes) }
      if rows > 4 { c4 += load(addend + 4 &* stride, lanes) }
      if rows > 5 { c5 += load(addend + 5 &* stride, lanes) }
    }

    @inline(__always)
    func forEach(_ rows: Int, _ body: (_ row: Int, _ vector: Vector) -> Void) {
      body(0, c0)
      if rows > 1 { body(1, c1) }
      if rows > 2 { body(2, c2) }
      if rows > 3 { body(3, c3) }
      if rows > 4 { body(4, c4) }
      if rows > 5 { body(5, c5) }
    }
  }
}
