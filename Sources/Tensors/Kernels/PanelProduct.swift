// The innermost loops of this module's matrix products.

import COpenBLAS

/// Matrix products that keep some rows of sixteen columns in registers.
///
/// Legend: C (rows, columns) ← C₀ + Σ_k a(row, k) B(k, columns), k counting the words of the operands.
/// A panel is a column of sixteen-vectors, one under the other; `b` points to the first panel of B.
/// Some rows of C stay in registers while k runs, so that each vector of B that is loaded serves all of
/// them. Every element is summed over k from the first to the last, whatever the number of rows
/// computed together: an element's bits do not depend on the others.
enum PanelProduct<Operands: OperandFormat> {
  /// The rows of C that are computed together at most: twelve of AVX-512's 32 registers, or six in
  /// twelve of the sixteen of AVX2, two for a row.
  private static var rowLimit: Int { COpenBLAS_has_avx512() != 0 ? 12 : 6 }

  /// The distances between vectors and between panels of B.
  struct Panels {
    let first: UnsafePointer<Float>
    let stride: Int
    let panelStride: Int
  }

  // MARK: Channels in panels

  /// C ← a B for channels in panels: k runs through `depth` panels of sixteen channels of a, in each of
  /// which rows are neighbours, as they are in C.
  ///
  /// - Parameters:
  ///   - panels: The panels of B and of C.
  ///   - panelStride: The distance between panels of a.
  ///   - cStride: The distance between panels of C.
  static func overChannels(
    rows: Int, panels: Int, depth: Int, _ a: UnsafePointer<Float>, panelStride: Int,
    _ b: Panels, into c: UnsafeMutablePointer<Float>, panelStride cStride: Int
  ) {
    let product = PlaceProduct(
      panels: panels, depth: depth, a: a, panelStride: panelStride, b: b, c: c, cStride: cStride)
    product.compute(rows: rows, limit: rowLimit)
  }

  private struct PlaceProduct: RowProduct {
    let panels: Int
    let depth: Int
    let a: UnsafePointer<Float>
    let panelStride: Int
    let b: Panels
    let c: UnsafeMutablePointer<Float>
    let cStride: Int

    func compute<Rows: RowBlock>(_: Rows.Type, from first: Int, groups: Int) {
      let steps = 16 / Operands.termsPerWord
      for group in 0..<groups {
        let row = first &+ group &* Rows.count
        for panel in 0..<panels {
          var sums = Rows(repeating: Vector())
          var (a, line) = (a + row &* steps, b.first + panel &* b.panelStride)
          for _ in 0..<depth {
            for step in 0..<steps {
              sums.add(Operands.self, vector(line), a + step, row: steps)
              line += b.stride
            }
            a += panelStride
          }
          sums.store(c + (panel &* cStride &+ row &* 16), lanes: 16, stride: 16)
        }
      }
    }
  }

  /// C ← α (a B + v + addend), added to C where `adds`, for a as above and row-major C.
  ///
  /// - Parameters:
  ///   - columns: The columns of C that exist; those of B fill whole panels.
  ///   - panelStride: The distance between panels of a.
  ///   - v: One number for each column; nil: 0.
  ///   - addend: A matrix as C is; nil: 0.
  ///   - stride: The distance between rows of C and of the addend.
  static func overChannels(
    rows: Int, columns: Int, depth: Int, alpha: Float = 1, _ a: UnsafePointer<Float>,
    panelStride: Int, _ b: Panels, plus v: UnsafePointer<Float>? = nil,
    addend: UnsafePointer<Float>? = nil, adds: Bool = false,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let product = ChannelProduct(
      columns: columns, depth: depth, alpha: alpha, a: a, panelStride: panelStride, b: b, v: v,
      addend: addend, adds: adds, c: c, stride: stride)
    product.compute(rows: rows, limit: rowLimit)
  }

  private struct ChannelProduct: TiledProduct {
    let columns: Int
    let depth: Int
    let alpha: Float
    let a: UnsafePointer<Float>
    let panelStride: Int
    let b: Panels
    let v: UnsafePointer<Float>?
    let addend: UnsafePointer<Float>?
    let adds: Bool
    let c: UnsafeMutablePointer<Float>
    let stride: Int

    @inline(never)
    func computeTile<Rows: RowBlock>(_: Rows.Type, row: Int, column: Int) {
      let steps = 16 / Operands.termsPerWord
      let (lanes, place) = (min(16, columns &- column), row &* stride &+ column)
      var start = Vector()
      if let v { start = load(v + column, lanes) }
      var sums: Rows
      if let addend {
        sums = Rows(start, plus: addend + place, lanes: lanes, stride: stride)
      } else {
        sums = Rows(repeating: start)
      }
      var (a, line) = (a + row &* steps, b.first + column / 16 &* b.panelStride)
      for _ in 0..<depth {
        for step in 0..<steps {
          sums.add(Operands.self, vector(line), a + step, row: steps)
          line += b.stride
        }
        a += panelStride
      }
      if alpha == 1, !adds {
        sums.store(c + place, lanes: lanes, stride: stride)
      } else {
        sums.store(c + place, alpha: alpha, adds: adds, lanes: lanes, stride: stride)
      }
    }
  }

  // MARK: Lines of panels

  /// C ← α aᵀ B, added to C where `adds`, for `depth` lines of one panel of a, whose columns are the rows
  /// of C, and of panels of B without gaps within them.
  ///
  /// - Parameters:
  ///   - rows: The rows of C, 16 at most.
  ///   - columns: The columns of C that exist; those of B fill whole panels.
  ///   - panelStride: The distance between panels of B.
  ///   - stride: The distance between rows of C.
  ///   - cStride: The distance between its panels of sixteen columns.
  static func overLines(
    rows: Int = 16, columns: Int, depth: Int, alpha: Float = 1, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, panelStride: Int, adds: Bool = false,
    into c: UnsafeMutablePointer<Float>, stride: Int, panelStride cStride: Int = 16
  ) {
    var column = 0
    while column < columns {
      // All groups of rows read a panel of B while it is near.
      let panel = column / 16
      let product = LineProduct(
        columns: min(16, columns &- column), depth: depth, alpha: alpha, a: a,
        b: b + panel &* panelStride, adds: adds, c: c + panel &* cStride, stride: stride)
      product.compute(rows: rows, limit: rowLimit)
      column &+= 16
    }
  }

  private struct LineProduct: TiledProduct {
    let columns: Int
    let depth: Int
    let alpha: Float
    let a: UnsafePointer<Float>
    let b: UnsafePointer<Float>
    let adds: Bool
    let c: UnsafeMutablePointer<Float>
    let stride: Int

    @inline(never)
    func computeTile<Rows: RowBlock>(_: Rows.Type, row: Int, column: Int) {
      var sums = Rows(repeating: Vector())
      var (a, line) = (a + row, b)
      for _ in 0..<depth {
        sums.add(Operands.self, vector(line), a, row: 1)
        a += 16
        line += 16
      }
      let target = c + row &* stride
      if alpha == 1, !adds {
        sums.store(target, lanes: columns, stride: stride)
      } else {
        sums.store(target, alpha: alpha, adds: adds, lanes: columns, stride: stride)
      }
    }
  }

  // MARK: Any distances

  /// C ← α (a B + v + addend), added to C where `adds`, for any distances: those of a transposed or
  /// row-major a.
  ///
  /// - Parameters:
  ///   - columns: The columns of C that exist; those of B fill whole panels.
  ///   - row: The distance between rows of a.
  ///   - step: The distance between neighbouring k of a.
  ///   - v: One number for each column; nil: 0.
  ///   - addend: A matrix as C is; nil: 0.
  ///   - stride: The distance between rows of C and of the addend.
  static func strided(
    rows: Int, columns: Int, depth: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, row: Int,
    step: Int, _ b: Panels, plus v: UnsafePointer<Float>? = nil,
    addend: UnsafePointer<Float>? = nil, adds: Bool = false,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let product = StridedProduct(
      columns: columns, depth: depth, alpha: alpha, a: a, rowStride: row, step: step, b: b, v: v,
      addend: addend, adds: adds, c: c, stride: stride)
    product.compute(rows: rows, limit: rowLimit)
  }

  private struct StridedProduct: TiledProduct {
    let columns: Int
    let depth: Int
    let alpha: Float
    let a: UnsafePointer<Float>
    let rowStride: Int
    let step: Int
    let b: Panels
    let v: UnsafePointer<Float>?
    let addend: UnsafePointer<Float>?
    let adds: Bool
    let c: UnsafeMutablePointer<Float>
    let stride: Int

    @inline(never)
    func computeTile<Rows: RowBlock>(_: Rows.Type, row: Int, column: Int) {
      let (lanes, place) = (min(16, columns &- column), row &* stride &+ column)
      var start = Vector()
      if let v { start = load(v + column, lanes) }
      var sums: Rows
      if let addend {
        sums = Rows(start, plus: addend + place, lanes: lanes, stride: stride)
      } else {
        sums = Rows(repeating: start)
      }
      var (a, line) = (a + row &* rowStride, b.first + column / 16 &* b.panelStride)
      for _ in 0..<depth {
        sums.add(Operands.self, vector(line), a, row: rowStride)
        a += step
        line += b.stride
      }
      if alpha == 1, !adds {
        sums.store(c + place, lanes: lanes, stride: stride)
      } else {
        sums.store(c + place, alpha: alpha, adds: adds, lanes: lanes, stride: stride)
      }
    }
  }
}
