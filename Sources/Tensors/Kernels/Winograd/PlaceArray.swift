// Where the 36 places of transformed tiles lie in memory.

/// Thirty-six matrices, one for each place of a transformed tile, in panels of sixteen columns.
///
/// A row of a panel takes sixteen words, or fewer for columns that are terms of one sum
/// (`OperandFormat`).
struct PlaceArray {
  /// In which order the matrices lie in memory.
  enum Order {
    /// (36, panels, rows, width): for products that stream through a matrix. The distances between
    /// panels and between places are odd multiples of a cache line: the 36 vectors that a transform
    /// writes would otherwise fall into the same few lines of the cache and push each other out.
    case places
    /// (panels, rows, 36, 16), and a line of the cache from row to row: for transforms that write
    /// or read more than the products do. The 36 vectors of one are neighbours.
    case rows
  }

  let rows: Int
  let panels: Int
  /// The distance between rows, in scalars.
  let rowStride: Int
  /// The distance between panels, in scalars.
  let panelStride: Int
  /// The distance between places, in scalars.
  let placeStride: Int
  private let scalars: UnsafeMutablePointer<Float>

  /// The number of scalars that the array of so many rows and panels takes.
  ///
  /// - Parameter width: The words of a row of a panel in the order of places.
  static func count(
    rows: Int, panels: Int, _ order: Order = .places, width: Int = 16
  ) -> Int {
    let strides = strides(rows, panels, order, width)
    return order == .places ? 36 * strides.place : panels * strides.panel
  }

  /// An array in memory that somebody else owns, with what is there as its contents.
  init(
    rows: Int, panels: Int, _ order: Order = .places, width: Int = 16,
    at scalars: UnsafeMutablePointer<Float>
  ) {
    self.rows = rows
    self.panels = panels
    self.scalars = scalars
    (rowStride, panelStride, placeStride) = Self.strides(rows, panels, order, width)
  }

  private init(_ array: PlaceArray, fromRow row: Int, panel: Int) {
    rows = array.rows - row
    panels = array.panels - panel
    scalars = array.panel(panel) + row * array.rowStride
    (rowStride, panelStride, placeStride) = (array.rowStride, array.panelStride, array.placeStride)
  }

  /// The array without its first rows and panels.
  func from(row: Int, panel: Int = 0) -> PlaceArray {
    PlaceArray(self, fromRow: row, panel: panel)
  }

  private static func strides(
    _ rows: Int, _ panels: Int, _ order: Order, _ width: Int
  ) -> (row: Int, panel: Int, place: Int) {
    switch order {
    case .places:
      let lines = (rows * width + 15) / 16 | 1
      return (width, lines * 16, (panels * lines | 1) * 16)
    case .rows: return (37 * 16, (rows * 37 | 1) * 16, 16)
    }
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
