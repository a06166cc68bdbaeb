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
  private let scalars: UnsafeMutablePointer<Float>

  /// The number of scalars that the array of so many rows and panels takes.
  static func count(rows: Int, panels: Int) -> Int { 36 * placeStride(rows, panels) }

  /// An array in memory that somebody else owns, with what is there as its contents.
  init(rows: Int, panels: Int, at scalars: UnsafeMutablePointer<Float>) {
    self.rows = rows
    self.panels = panels
    self.scalars = scalars
    panelStride = (rows | 1) * 16
    placeStride = Self.placeStride(rows, panels)
  }

  private init(_ array: PlaceArray, fromRow row: Int) {
    rows = array.rows - row
    panels = array.panels
    scalars = array.scalars + row * 16
    (panelStride, placeStride) = (array.panelStride, array.placeStride)
  }

  /// The array without its first rows.
  func from(row: Int) -> PlaceArray { PlaceArray(self, fromRow: row) }

  private static func placeStride(_ rows: Int, _ panels: Int) -> Int {
    (panels * (rows | 1) | 1) * 16
  }

  /// The first scalar of the first row of a panel at place 0.
  func panel(_ panel: Int) -> UnsafeMutablePointer<Float> {
    scalars + panel * panelStride
  }

  /// The first scalar of the first row of a panel at some place.
  func panel(_ panel: Int, place: Int) -> UnsafeMutablePointer<Float> {
    scalars + (place * placeStride + panel * panelStride)
  }
}
