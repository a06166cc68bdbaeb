// Convolutions that mix channels, but no pixels.

/// A 1×1 convolution: one matrix product over the pixels, on weights packed into panels.
///
/// Legend: `x` (pixels, c), `W` (c, o), `y` (pixels, o). Some rows of x are packed at a time and
/// multiplied with all panels. What c and o lack to whole panels is filled up with zeros, and the
/// results of such columns are cut off.
struct PointwiseConvolution<Operands: OperandFormat> {
  private typealias Packed = PackedOperands<Operands>

  /// The rows of x that are packed at a time.
  private static var blockRows: Int { 96 }
  /// The channels up to which float32 rows are near enough to each other to be read where they are.
  private static var nearRows: Int { 96 }
  /// The number of rows from which it pays to pack the weights.
  private static var packedRows: Int { 24 }

  private let c: Int
  private let o: Int
  private let pool: BufferPool

  init(c: Int, o: Int, _ pool: BufferPool) {
    self.c = c
    self.o = o
    self.pool = pool
  }

  /// y ← x W + b, plus `residual` where there is one; it may be y itself.
  ///
  /// - Parameters:
  ///   - images: The images, of `pixels` pixels each.
  ///   - biases: b, (n, o), or (o) for all images; nil: 0.
  ///   - biasStride: The distance between the biases of two images: o, or 0.
  func forward(
    _ x: UnsafePointer<Float>, images: Int = 1, pixels: Int, _ W: UnsafePointer<Float>,
    biases: UnsafePointer<Float>? = nil, biasStride: Int = 0,
    residual: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>
  ) {
    // Images that share their biases are one long image.
    let (images, pixels) = biasStride == 0 ? (1, images * pixels) : (images, pixels)
    withPanels(W, rows: images * pixels) { panels in
      for n in 0..<images {
        let place = n * pixels * o
        multiply(
          x + n * pixels * c, pixels: pixels, panels, biases: biases.map { $0 + n * biasStride },
          residual: residual.map { $0 + place }, into: y + place)
      }
    }
  }

  /// dx ← dy Wᵀ for so many pixels.
  func backward(
    _ dy: UnsafePointer<Float>, pixels: Int, _ W: UnsafePointer<Float>,
    into dx: UnsafeMutablePointer<Float>
  ) {
    let turned = PointwiseConvolution(c: o, o: c, pool)
    let lines = turned.lines
    pool.withScratch(count: Packed.wholePanels(c) * lines) { [c, o] packed in
      pool.split((c + 15) / 16, cost: 16 * o) { panels in
        let (row, end) = (16 * panels.lowerBound, min(16 * panels.upperBound, c))
        Packed.packTransposed(
          W + row * o, rows: end - row, o, stride: o, into: packed + row * lines)
      }
      turned.multiply(
        dy, pixels: pixels, .init(first: packed, stride: 16, panelStride: 16 * lines), into: dx)
    }
  }

  /// The lines of a panel of W: the words of c terms, filled up.
  private var lines: Int { Packed.wholePanels(c) / Operands.termsPerWord }

  /// y ← x W + b, plus `residual`, for the pixels of one image and panels of W.
  private func multiply(
    _ x: UnsafePointer<Float>, pixels: Int, _ panels: PanelProduct<Operands>.Panels,
    biases: UnsafePointer<Float>? = nil, residual: UnsafePointer<Float>? = nil,
    into y: UnsafeMutablePointer<Float>
  ) {
    if Operands.termsPerWord == 1, c <= Self.nearRows {
      return pool.split(pixels, cost: c * o) { [c, o] part in
        let place = part.lowerBound * o
        PanelProduct<Operands>.strided(
          rows: part.count, columns: o, depth: c, x + part.lowerBound * c, row: c, step: 1, panels,
          plus: biases, addend: residual.map { $0 + place }, into: y + place, stride: o)
      }
    }
    let room = min(pixels, Self.blockRows) * lines
    pool.split(pixels, cost: c * o, scratch: room) { [c, o] part, rows in
      for start in stride(from: part.lowerBound, to: part.upperBound, by: Self.blockRows) {
        let block = min(Self.blockRows, part.upperBound - start)
        Packed.packRows(x + start * c, rows: block, c, stride: c, into: rows)
        let place = start * o
        PanelProduct<Operands>.overChannels(
          rows: block, columns: o, depth: Packed.wholePanels(c) / 16, rows,
          panelStride: block * Packed.width, panels, plus: biases,
          addend: residual.map { $0 + place }, into: y + place, stride: o)
      }
    }
  }

  /// Calls `body` with the panels of W: a copy, or W itself where few rows are multiplied with whole
  /// panels.
  private func withPanels(
    _ W: UnsafePointer<Float>, rows: Int, _ body: (PanelProduct<Operands>.Panels) -> Void
  ) {
    if Operands.termsPerWord == 1, rows < Self.packedRows, c % 16 == 0, o % 16 == 0 {
      return body(.init(first: W, stride: o, panelStride: 16))
    }
    pool.withScratch(count: Packed.wholePanels(o) * lines) { [c, o, lines] packed in
      pool.split((o + 15) / 16, cost: 16 * c) { panels in
        for panel in panels {
          let column = 16 * panel
          Packed.packPanels(
            W + column, rows: c, min(16, o - column), stride: o, lines: lines,
            into: packed + column * lines)
        }
      }
      body(.init(first: packed, stride: 16, panelStride: 16 * lines))
    }
  }

  /// dW ← xᵀ dy, or dW + xᵀ dy where `adds`, for c and o that are multiples of 16.
  func weightGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, pixels: Int,
    into dW: UnsafeMutablePointer<Float>, adds: Bool
  ) {
    // Of two panels, what the cache next to the CPU holds.
    let piece = 256
    let chunk = 8 * piece * Operands.termsPerWord
    for start in stride(from: 0, to: pixels, by: chunk) {
      let count = min(chunk, pixels - start)
      let lines = Operands.wordCount(count)
      pool.withScratch(count: (c + o) * lines) { [c, o] packed in
        let (a, b) = (packed, packed + c * lines)
        pool.split((c + o) / 16, cost: 16 * count) { panels in
          for panel in panels {
            let column = 16 * panel
            let (source, stride) =
              column < c ? (x + (start * c + column), c) : (dy + (start * o + column - c), o)
            Packed.packPanels(
              source, rows: count, 16, stride: stride, lines: lines,
              into: packed + column * lines)
          }
        }
        pool.split(c / 16, cost: 16 * o * count) { panels in
          for panel in panels {
            for line in stride(from: 0, to: lines, by: piece) {
              let left = a + 16 * (panel * lines + line)
              PanelProduct<Operands>.overLines(
                columns: o, depth: min(piece, lines - line), left, b + 16 * line,
                panelStride: 16 * lines, adds: adds || start + line > 0,
                into: dW + 16 * panel * o, stride: o)
            }
          }
        }
      }
    }
  }
}
