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

  /// The image and the first pixel of a tile.
  @inline(__always)
  func origin(_ tile: Int) -> (n: Int, row: Int, column: Int) {
    let (line, column) = tile.quotientAndRemainder(dividingBy: across)
    let (n, row) = line.quotientAndRemainder(dividingBy: down)
    return (n, 4 &* row, 4 &* column)
  }

  /// Calls `body` for blocks of neighbouring tiles of about equal size, `limit` at most.
  func forEachBlock(limit: Int, _ body: (_ tiles: Range<Int>) -> Void) {
    let blocks = (count + limit - 1) / limit
    let rows = PanelProduct.rows
    let size = ((count + blocks - 1) / blocks + rows - 1) / rows * rows
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
    of tile: Int, _ base: UnsafeMutablePointer<Float>, outside: UnsafeMutablePointer<Float>,
    into pixels: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  ) {
    let (n, row, column) = origin(tile)
    let c = shape.c
    for i in 0..<6 {
      let y = row &+ i &- 1
      let line = base + ((n &* shape.h &+ y) &* shape.w &+ column &- 1) &* c
      let isInside = y >= 0 && y < shape.h
      for j in 0..<6 {
        let x = column &+ j &- 1
        pixels[6 &* i &+ j] = isInside && x >= 0 && x < shape.w ? line + j &* c : outside
      }
    }
  }
}
