// Products of the blocks of attention, whose right operands are packed into panels.

extension Attention {
  /// The columns of the panels that hold `count` columns.
  static func panels(_ count: Int) -> Int { (count + 15) & ~15 }

  /// Calls `body` for blocks of about equal size, multiples of `unit` but for the last.
  static func forEachBlock(
    _ count: Int, limit: Int, unit: Int, _ body: (_ block: Range<Int>) -> Void
  ) {
    guard count > 0 else { return }
    let blocks = (count + limit - 1) / limit
    let size = ((count + blocks - 1) / blocks + unit - 1) / unit * unit
    for start in stride(from: 0, to: count, by: size) { body(start..<min(start + size, count)) }
  }

  /// Packs a matrix (rows, columns) into panels of sixteen columns, (panels, rows, 16); the last is
  /// filled up with zeros.
  static func pack(
    _ matrix: UnsafePointer<Float>, rows: Int, _ columns: Int, stride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    forEachPanel(columns) { column, lanes in
      let target = packed + column &* rows
      for row in 0..<rows {
        put(load(matrix + (row &* stride &+ column), lanes), target + 16 &* row)
      }
    }
  }

  /// Packs the transpose of a matrix (rows, columns) into panels of sixteen of its rows, (panels,
  /// columns, 16); the last is filled up with zeros.
  static func packTransposed(
    _ matrix: UnsafePointer<Float>, rows: Int, _ columns: Int, stride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for first in Swift.stride(from: 0, to: rows, by: 16) {
      let (source, target) = (matrix + first &* stride, packed + first &* columns)
      let lanes = min(16, rows &- first)
      let whole = lanes == 16 ? columns & ~15 : 0
      for column in Swift.stride(from: 0, to: whole, by: 16) {
        transposeBlock(source + column, stride: stride, into: target + 16 &* column, stride: 16)
      }
      for column in whole..<columns {
        var v = Vector()
        for lane in 0..<lanes { v[lane] = source[lane &* stride &+ column] }
        put(v, target + 16 &* column)
      }
    }
  }

  /// C ← α a B, added to C where `adds`, for a B in panels of sixteen columns.
  ///
  /// - Parameters:
  ///   - row: The distance between rows of a.
  ///   - step: The distance between neighbouring columns of a.
  static func multiply(
    rows: Int, columns: Int, depth: Int, alpha: Float, _ a: UnsafePointer<Float>, row: Int,
    step: Int, panels: UnsafePointer<Float>, adds: Bool = false,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    for column in Swift.stride(from: 0, to: columns, by: 16) {
      PanelProduct.forEachGroup(rows) { first, count in
        PanelProduct.strided(
          min(16, columns &- column), rows: count, depth: depth, alpha: alpha, a + first &* row,
          row: row, step: step, panels + column &* depth, stride: 16, adds: adds,
          into: c + (first &* stride &+ column), stride: stride)
      }
    }
  }
}
