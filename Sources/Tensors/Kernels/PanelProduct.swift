/// Small matrix products on operands that lie in panels of sixteen columns, in registers.
///
/// Legend: C (rows, 16) ← Σ_k a(row, k) B(k, 16). A panel is a column of sixteen-vectors, one under
/// the other; `b` points to a panel of B, `c` to the rows of a panel of C. Six rows of C stay in
/// registers while k runs, so that each vector of B that is loaded serves six products. Every
/// element is summed over k from the first to the last by fused multiplications and additions,
/// whatever the number of rows computed together: an element's bits do not depend on the others.
enum PanelProduct {
  /// The rows of C that are computed together: with two vectors of eight lanes each, all that
  /// sixteen registers hold.
  static let rows = 6

  /// Where the scalars a(row, k) lie; k is counted in blocks of `steps`.
  struct Operand {
    /// The first scalar.
    let pointer: UnsafePointer<Float>
    /// The distance between rows.
    let row: Int
    /// The distance between neighbouring k of a block.
    let step: Int
    /// The distance between blocks.
    let block: Int
  }

  /// C ← a B for channels in panels: k runs through `panels` panels of sixteen channels, which are
  /// `panelStride` apart; the rows are neighbours within a panel.
  @inline(never)
  static func overChannels(
    rows: Int, panels: Int, _ a: UnsafePointer<Float>, panelStride: Int,
    _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>
  ) {
    let operand = Operand(pointer: a, row: 16, step: 1, block: panelStride)
    select(rows) { run(rows: $0, blocks: panels, steps: 16, operand, b, into: c) }
  }

  /// C ← aᵀ B for `count` vectors of two panels: the rows are neighbouring channels of a.
  @inline(never)
  static func overVectors(
    rows: Int, count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>
  ) {
    let operand = Operand(pointer: a, row: 1, step: 16, block: 0)
    select(rows) { run(rows: $0, blocks: 1, steps: count, operand, b, into: c) }
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

  @inline(__always)
  private static func run(
    rows: Int, blocks: Int, steps: Int, _ a: Operand, _ b: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>
  ) {
    var (c0, c1, c2, c3, c4, c5) = (Vector(), Vector(), Vector(), Vector(), Vector(), Vector())
    var (a0, b) = (a.pointer, b)
    for _ in 0..<blocks {
      var a1 = a0
      for _ in 0..<steps {
        let v = vector(b)
        c0 = multiplyAdd(v, a1[0], c0)
        if rows > 1 { c1 = multiplyAdd(v, a1[a.row], c1) }
        if rows > 2 { c2 = multiplyAdd(v, a1[2 &* a.row], c2) }
        if rows > 3 { c3 = multiplyAdd(v, a1[3 &* a.row], c3) }
        if rows > 4 { c4 = multiplyAdd(v, a1[4 &* a.row], c4) }
        if rows > 5 { c5 = multiplyAdd(v, a1[5 &* a.row], c5) }
        a1 += a.step
        b += 16
      }
      a0 += a.block
    }
    put(c0, c)
    if rows > 1 { put(c1, c + 16) }
    if rows > 2 { put(c2, c + 32) }
    if rows > 3 { put(c3, c + 48) }
    if rows > 4 { put(c4, c + 64) }
    if rows > 5 { put(c5, c + 80) }
  }
}
