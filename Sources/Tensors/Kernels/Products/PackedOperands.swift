// Matrices copied into the order and the format in which products read them.

/// The ways in which row-major matrices become operands of `PanelProduct`.
///
/// What a matrix lacks to whole panels and whole words is filled up with zeros.
enum PackedOperands<Operands: OperandFormat> {
  /// The columns of the panels that hold `count` columns.
  static func wholePanels(_ count: Int) -> Int { (count + 15) & ~15 }

  /// The words of a row of sixteen terms.
  static var width: Int { 16 / Operands.termsPerWord }

  /// Packs rows whose columns are the terms of sums into panels of sixteen columns, (panels, rows,
  /// `width`).
  static func packRows(
    _ matrix: UnsafePointer<Float>, rows: Int, _ columns: Int, stride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      let (source, target) = (matrix + row &* stride, packed + row &* width)
      forEachPanel(columns) { column, lanes in
        Operands.putTerms(
          load(source + column, lanes), target + column &* rows / Operands.termsPerWord)
      }
    }
  }

  /// Packs a matrix (rows, columns) whose rows are the terms of sums into panels of sixteen columns,
  /// (panels, words of the rows, 16).
  ///
  /// - Parameter lines: The words of the rows, and more for zeros behind them.
  static func packPanels(
    _ matrix: UnsafePointer<Float>, rows: Int, _ columns: Int, stride: Int, lines: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    forEachPanel(columns) { column, lanes in
      let target = packed + column &* lines
      for line in 0..<lines {
        let first = line &* Operands.termsPerWord
        let words = Operands.words { i in
          let row = first &+ i
          return row < rows ? load(matrix + (row &* stride &+ column), lanes) : Vector()
        }
        put(words, target + 16 &* line)
      }
    }
  }

  /// Packs a matrix (rows, columns) whose columns are the terms of sums into panels of sixteen rows,
  /// (panels, words of whole panels of columns, 16).
  static func packTransposed(
    _ matrix: UnsafePointer<Float>, rows: Int, _ columns: Int, stride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    let terms = Operands.termsPerWord
    let lines = wholePanels(columns) / terms
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 32) { scratch in
      let scratch = scratch.baseAddress!
      let block = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Float.self)
      let turned = block + 256
      for first in Swift.stride(from: 0, to: rows, by: 16) {
        let (source, target) = (matrix + first &* stride, packed + first &* lines)
        let count = min(16, rows &- first)
        forEachPanel(columns) { column, lanes in
          if count == 16, lanes == 16 {
            transposeBlock(source + column, stride: stride, into: turned, stride: 16)
          } else {
            for row in 0..<count {
              scratch[row] = load(source + (row &* stride &+ column), lanes)
            }
            for row in count..<16 { scratch[row] = Vector() }
            transposeBlock(block, stride: 16, into: turned, stride: 16)
          }
          let line = target + 16 &* (column / terms)
          for word in 0..<16 / terms {
            put(Operands.words { vector(turned + 16 &* (word &* terms &+ $0)) }, line + 16 &* word)
          }
        }
      }
    }
  }
}
