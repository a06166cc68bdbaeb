/// Thirty-six matrices, one for each place of a transformed tile, in panels of sixteen columns.
///
/// The layout is (36, panels, rows, 16). The distances between panels and between places are odd
/// multiples of a cache line: the 36 vectors that a transform writes would otherwise fall into the
/// same few lines of the cache and push each other out.
struct PlaceArray {
  let rows: Int
  let panels: Int
  /// The distance between panels, in scalars.
  let panelStride: Int
  /// The distance between places, in scalars.
  let placeStride: Int
  private let memory: Tensor

  init(rows: Int, panels: Int, in pool: BufferPool) {
    self.rows = rows
    self.panels = panels
    panelStride = (rows | 1) * 16
    placeStride = (panels * (rows | 1) | 1) * 16
    memory = Tensor(Shape(1, 1, 36, placeStride), in: pool)
  }

  /// The first scalar of the first row of a panel at place 0.
  func panel(_ panel: Int) -> UnsafeMutablePointer<Float> {
    memory.pointer + panel * panelStride
  }

  /// The first scalar of the first row of a panel at some place.
  func panel(_ panel: Int, place: Int) -> UnsafeMutablePointer<Float> {
    memory.pointer + (place * placeStride + panel * panelStride)
  }
}
