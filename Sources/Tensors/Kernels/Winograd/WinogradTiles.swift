// Transforms between the pixels of maps and their 36 places, in both directions.

/// The transforms of tiles between NHWC maps and the places of Winograd's algorithm.
///
/// Legend as in `WinogradConvolution`. Each transform is the one-dimensional one of `Winograd`
/// along the columns of a tile and then along its rows, for sixteen channels at a time.
enum WinogradTiles<Operands: OperandFormat> {
  private typealias Transform = Winograd<Operands.Points>

  /// V ← Bᵀ x B for each tile; pixels outside the map are zero.
  static func transformInput(
    _ x: Tensor, _ grid: TileGrid, _ tiles: Range<Int>, into V: PlaceArray
  ) {
    let c = x.shape.c
    let lineStride = x.shape.w &* c
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36 + 6 * c / 16) { room in
      // Six pixels of zeros stand for a row outside the map.
      room.initialize(repeating: Vector())
      let scratch = room.baseAddress!
      let zeros = UnsafeMutableRawPointer(scratch + 36).assumingMemoryBound(to: Float.self)
      grid.forEachTile(tiles) { tile, place in
        let (rows, columns, offset) = grid.neighbourhood(of: place)
        @inline(__always)
        func line(_ i: Int) -> UnsafePointer<Float> {
          UnsafePointer(rows.contains(i) ? x.pointer + (offset &+ i &* lineStride) : zeros)
        }
        let lines = (line(0), line(1), line(2), line(3), line(4), line(5))
        for panel in 0..<V.panels {
          for j in 0..<6 {
            guard columns.contains(j) else {
              let zero = Vector()
              putColumn((zero, zero, zero, zero, zero, zero), scratch, j)
              continue
            }
            let pixel = j &* c &+ panel &* 16
            let d = Transform.input(
              (
                vector(lines.0 + pixel), vector(lines.1 + pixel), vector(lines.2 + pixel),
                vector(lines.3 + pixel), vector(lines.4 + pixel), vector(lines.5 + pixel)
              ))
            putColumn(d, scratch, j)
          }
          let target = V.panel(panel) + tile &* V.rowStride
          for i in 0..<6 {
            putTerms(
              Transform.input(row6(scratch, i)), target + 6 &* i &* V.placeStride, V.placeStride)
          }
        }
      }
    }
  }

  /// dx ← dx + B dV Bᵀ for the tiles and some panels of channels, the adjoint of `transformInput`.
  static func transformInputGradient(
    _ dV: PlaceArray, _ grid: TileGrid, _ tiles: Range<Int>, _ panels: Range<Int>,
    addingTo dx: Tensor
  ) {
    let c = dx.shape.c
    let lineStride = dx.shape.w &* c
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36) { scratch in
      let scratch = scratch.baseAddress!
      grid.forEachTile(tiles) { tile, place in
        let (rows, columns, offset) = grid.neighbourhood(of: place)
        for panel in panels {
          let source = dV.panel(panel &- panels.lowerBound) + tile &* 16
          for j in 0..<6 {
            let m = source + j &* dV.placeStride
            putColumn(Transform.inputGradient(column6(m, 6 &* dV.placeStride)), scratch, j)
          }
          for i in rows {
            let d = Transform.inputGradient(row6(scratch, i))
            let line = dx.pointer + (offset &+ i &* lineStride &+ panel &* 16)
            if columns.lowerBound == 0 { add(d.0, line) }
            add(d.1, line + c)
            if columns.upperBound > 2 { add(d.2, line + 2 &* c) }
            if columns.upperBound > 3 { add(d.3, line + 3 &* c) }
            if columns.upperBound > 4 { add(d.4, line + 4 &* c) }
            if columns.upperBound > 5 { add(d.5, line + 5 &* c) }
          }
        }
      }
    }
  }

  /// y ← Aᵀ M A + b, plus the residual, for the tiles and some panels of channels.
  static func transformOutput(
    _ M: PlaceArray, _ grid: TileGrid, _ tiles: Range<Int>, _ panels: Range<Int>,
    biases: UnsafePointer<Float>, biasStride: Int, residual: Tensor?, into y: Tensor
  ) {
    let (h, w, o) = (y.shape.h, y.shape.w, y.shape.c)
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 24) { scratch in
      let scratch = scratch.baseAddress!
      grid.forEachTile(tiles) { tile, place in
        let (n, row, column) = (place.n, place.row, place.column)
        let first = ((n &* h &+ row) &* w &+ column) &* o
        let (rows, columns) = (min(4, h &- row), min(4, w &- column))
        for panel in panels {
          let channel = panel &* 16
          let source =
            M.panel(panel &- panels.lowerBound) + tile &* 16
          for j in 0..<6 {
            let t = Transform.output(column6(source + j &* M.placeStride, 6 &* M.placeStride))
            scratch[j] = t.0
            scratch[6 &+ j] = t.1
            scratch[12 &+ j] = t.2
            scratch[18 &+ j] = t.3
          }
          let b = vector(biases + (n &* biasStride &+ channel))
          for i in 0..<rows {
            let t = Transform.output(row6(scratch, i))
            let start = first &+ i &* w &* o &+ channel
            let line = y.pointer + start
            if let residual {
              let r = residual.pointer + start
              put(t.0 + b + vector(r), line)
              if columns > 1 { put(t.1 + b + vector(r + o), line + o) }
              if columns > 2 { put(t.2 + b + vector(r + 2 &* o), line + 2 &* o) }
              if columns > 3 { put(t.3 + b + vector(r + 3 &* o), line + 3 &* o) }
            } else {
              put(t.0 + b, line)
              if columns > 1 { put(t.1 + b, line + o) }
              if columns > 2 { put(t.2 + b, line + 2 &* o) }
              if columns > 3 { put(t.3 + b, line + 3 &* o) }
            }
          }
        }
      }
    }
  }

  /// Z ← A dy Aᵀ for the tiles and some panels of channels, pixels outside the map being zero; and the
  /// sums of dy over the pixels of each image, (n, o), are added to `sums`.
  static func transformOutputGradient(
    _ dy: Tensor, _ grid: TileGrid, _ tiles: Range<Int>, _ panels: Range<Int>, into Z: PlaceArray,
    sums: UnsafeMutablePointer<Float>
  ) {
    let (h, w, o) = (dy.shape.h, dy.shape.w, dy.shape.c)
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 24) { scratch in
      let scratch = scratch.baseAddress!
      grid.forEachTile(tiles) { tile, place in
        let (n, row, column) = (place.n, place.row, place.column)
        let source = UnsafePointer(dy.pointer + ((n &* h &+ row) &* w &+ column) &* o)
        let (rows, columns) = (h &- row, w &- column)
        for panel in panels {
          let channel = panel &* 16
          var sum = Vector()
          for j in 0..<4 {
            @inline(__always)
            func pixel(_ i: Int) -> Vector {
              i < rows && j < columns
                ? vector(source + ((i &* w &+ j) &* o &+ channel)) : Vector()
            }
            let column = (pixel(0), pixel(1), pixel(2), pixel(3))
            sum += (column.0 + column.1) + (column.2 + column.3)
            let t = Transform.outputGradient(column)
            scratch[j] = t.0
            scratch[4 &+ j] = t.1
            scratch[8 &+ j] = t.2
            scratch[12 &+ j] = t.3
            scratch[16 &+ j] = t.4
            scratch[20 &+ j] = t.5
          }
          add(sum, sums + (n &* o &+ channel))
          let target = Z.panel(panel &- panels.lowerBound) + tile &* Z.rowStride
          for i in 0..<6 {
            let row = scratch + 4 &* i
            putTerms(
              Transform.outputGradient((row[0], row[1], row[2], row[3])),
              target + 6 &* i &* Z.placeStride, Z.placeStride)
          }
        }
      }
    }
  }

  /// Writes six vectors of operands that are `stride` words apart.
  @inline(__always)
  private static func putTerms(
    _ row: SixVectors, _ pointer: UnsafeMutablePointer<Float>, _ stride: Int
  ) {
    Operands.putTerms(row.0, pointer)
    Operands.putTerms(row.1, pointer + stride)
    Operands.putTerms(row.2, pointer + 2 &* stride)
    Operands.putTerms(row.3, pointer + 3 &* stride)
    Operands.putTerms(row.4, pointer + 4 &* stride)
    Operands.putTerms(row.5, pointer + 5 &* stride)
  }

  @inline(__always)
  private static func add(_ value: Vector, _ pointer: UnsafeMutablePointer<Float>) {
    put(vector(pointer) + value, pointer)
  }
}

/// Row `i` of six of a scratch matrix of six columns.
@inline(__always)
func row6(_ scratch: UnsafeMutablePointer<Vector>, _ i: Int) -> SixVectors {
  let row = scratch + 6 &* i
  return (row[0], row[1], row[2], row[3], row[4], row[5])
}

/// Six vectors that are `stride` scalars apart.
@inline(__always)
func column6(_ pointer: UnsafePointer<Float>, _ stride: Int) -> SixVectors {
  (
    vector(pointer), vector(pointer + stride), vector(pointer + 2 &* stride),
    vector(pointer + 3 &* stride), vector(pointer + 4 &* stride), vector(pointer + 5 &* stride)
  )
}

/// Writes a column of a scratch matrix of six columns.
@inline(__always)
func putColumn(_ column: SixVectors, _ scratch: UnsafeMutablePointer<Vector>, _ j: Int) {
  let top = scratch + j
  top[0] = column.0
  top[6] = column.1
  top[12] = column.2
  top[18] = column.3
  top[24] = column.4
  top[30] = column.5
}
