// Products of the blocks of attention, on packed operands.

extension Attention {
  /// Calls `body` for blocks of about equal size, multiples of `unit` but for the last.
  static func forEachBlock(
    _ count: Int, limit: Int, unit: Int, _ body: (_ block: Range<Int>) -> Void
  ) {
    guard count > 0 else { return }
    let blocks = (count + limit - 1) / limit
    let size = ((count + blocks - 1) / blocks + unit - 1) / unit * unit
    for start in stride(from: 0, to: count, by: size) { body(start..<min(start + size, count)) }
  }

  /// C ← α a B, added to C where `adds`, for row-major a and a B in panels of sixteen columns.
  ///
  /// - Parameters:
  ///   - aStride: The distance between rows of a.
  ///   - room: For a copy of a in the operands' format, where that is not float32.
  static func multiply<Operands: OperandFormat>(
    _: Operands.Type, rows: Int, columns: Int, depth: Int, alpha: Float,
    _ a: UnsafePointer<Float>, stride aStride: Int, room: UnsafeMutablePointer<Float>,
    panels: UnsafePointer<Float>, adds: Bool = false, into c: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    typealias Packed = PackedOperands<Operands>
    let whole = Packed.wholePanels(depth)
    let b = PanelProduct<Operands>.Panels(
      first: panels, stride: 16, panelStride: 16 * whole / Operands.termsPerWord)
    if Operands.termsPerWord > 1 {
      Packed.packRows(a, rows: rows, depth, stride: aStride, into: room)
      PanelProduct<Operands>.overChannels(
        rows: rows, columns: columns, depth: whole / 16, alpha: alpha, room,
        panelStride: rows * Packed.width, b, adds: adds,
        into: c, stride: stride)
    } else {
      PanelProduct<Operands>.strided(
        rows: rows, columns: columns, depth: depth, alpha: alpha, a, row: aStride, step: 1, b,
        adds: adds, into: c, stride: stride)
    }
  }

  /// C ← α aᵀ B, added to C where `adds`, for row-major a and B packed by `packPanels`, of `depth` rows
  /// each.
  ///
  /// - Parameters:
  ///   - aStride: The distance between rows of a.
  ///   - room: For a copy of a in the operands' format, where that is not float32.
  static func multiplyTransposed<Operands: OperandFormat>(
    _: Operands.Type, rows: Int, columns: Int, depth: Int, alpha: Float,
    _ a: UnsafePointer<Float>, stride aStride: Int, room: UnsafeMutablePointer<Float>,
    panels: UnsafePointer<Float>, adds: Bool, into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let lines = Operands.wordCount(depth)
    if Operands.termsPerWord > 1 {
      PackedOperands<Operands>.packPanels(
        a, rows: depth, rows, stride: aStride, lines: lines, into: room)
      for row in Swift.stride(from: 0, to: rows, by: 16) {
        PanelProduct<Operands>.overLines(
          rows: min(16, rows &- row), columns: columns, depth: lines, alpha: alpha,
          room + row &* lines, panels, panelStride: 16 * lines, adds: adds,
          into: c + row &* stride, stride: stride)
      }
    } else {
      PanelProduct<Operands>.strided(
        rows: rows, columns: columns, depth: depth, alpha: alpha, a, row: 1, step: aStride,
        .init(first: panels, stride: 16, panelStride: 16 * lines), adds: adds, into: c,
        stride: stride)
    }
  }
}
