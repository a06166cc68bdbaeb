// The geometry of tiles: which pixels they cover, and which they read.

/// How the maps of a batch are cut into tiles of 4×4 pixels, image after image, row after row.
struct TileGrid {
  let shape: Shape
  private let across: Int
  private let down: Int

  init(_ shape: Shape) {
    self.shape = shape
    across = (shape.w + 3) / 4
    down = (shape.h + 3) / 4
  }

  /// The number of tiles of all images.
  var count: Int { shape.n * down * across }

  /// The number of tiles of one image.
  var countPerImage: Int { down * across }

  /// Where a tile is: its image and its first pixel.
  struct Place {
    let n: Int
    let row: Int
    let column: Int
  }

  /// Calls `body` for each tile, numbered from 0, with its place.
  @inline(__always)
  func forEachTile(_ tiles: Range<Int>, _ body: (_ tile: Int, _ place: Place) -> Void) {
    let (line, tileColumn) = tiles.lowerBound.quotientAndRemainder(dividingBy: across)
    let (image, tileRow) = line.quotientAndRemainder(dividingBy: down)
    var (n, row, column) = (image, 4 &* tileRow, 4 &* tileColumn)
    let (h, w) = (shape.h, shape.w)
    for tile in 0..<tiles.count {
      body(tile, Place(n: n, row: row, column: column))
      column &+= 4
      if column >= w {
        column = 0
        row &+= 4
        if row >= h {
          row = 0
          n &+= 1
        }
      }
    }
  }

  /// Calls `body` for blocks of neighbouring tiles of about equal size, about `limit` at most.
  func forEachBlock(limit: Int, _ body: (_ tiles: Range<Int>) -> Void) {
    let blocks = (count + limit - 1) / limit
    // Whole groups of rows of any product kernel: the same blocks on all CPUs.
    let size = ((count + blocks - 1) / blocks + 11) / 12 * 12
    for start in stride(from: 0, to: count, by: size) { body(start..<min(start + size, count)) }
  }

  /// Of the six by six pixels around a tile, from the one above and left of its first: which rows and
  /// columns lie within the map, and where the first of all is, or would be.
  @inline(__always)
  func neighbourhood(of place: Place) -> (rows: Range<Int>, columns: Range<Int>, offset: Int) {
    let (h, w, row, column) = (shape.h, shape.w, place.row, place.column)
    return (
      Range(uncheckedBounds: (row == 0 ? 1 : 0, min(6, h &- row &+ 1))),
      Range(uncheckedBounds: (column == 0 ? 1 : 0, min(6, w &- column &+ 1))),
      ((place.n &* h &+ row &- 1) &* w &+ column &- 1) &* shape.c
    )
  }
}
