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

  /// Finds the pixels around a tile: six by six, from the one above and left of its first.
  ///
  /// - Parameters:
  ///   - base: The first scalar of the maps.
  ///   - outside: What stands for pixels beyond the map's edge.
  ///   - pixels: Gets 36 pointers, row by row.
  @inline(__always)
  func neighbourhood(
    of place: Place, _ base: UnsafeMutablePointer<Float>, outside: UnsafeMutablePointer<Float>,
    into pixels: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  ) {
    let (h, w, c) = (shape.h, shape.w, shape.c)
    let (row, column) = (place.row, place.column)
    var line = base + ((place.n &* h &+ row &- 1) &* w &+ column &- 1) &* c
    // Of large maps, most tiles have no pixel outside.
    if row > 0, column > 0, row &+ 4 < h, column &+ 4 < w {
      for i in 0..<6 {
        let target = pixels + 6 &* i
        target[0] = line
        target[1] = line + c
        target[2] = line + 2 &* c
        target[3] = line + 3 &* c
        target[4] = line + 4 &* c
        target[5] = line + 5 &* c
        line += w &* c
      }
      return
    }
    for i in 0..<6 {
      let isInside = UInt(bitPattern: row &+ i &- 1) < UInt(bitPattern: h)
      let target = pixels + 6 &* i
      for j in 0..<6 {
        let isColumn = UInt(bitPattern: column &+ j &- 1) < UInt(bitPattern: w)
        target[j] = isInside && isColumn ? line + j &* c : outside
      }
      line += w &* c
    }
  }
}
