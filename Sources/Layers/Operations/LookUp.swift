// Rows of a table on the tape: the layer that turns numbers into vectors.

import Tensors

extension Pass {
  /// A row of a table at each pixel.
  ///
  /// - Parameters:
  ///   - rows: The row of each pixel, that of the first image's first pixel first; nil: zeros.
  ///   - table: (rows, width).
  ///   - shape: (n, h, w, width).
  package func lookUp(
    _ rows: [Int?], in table: Parameter, width: Int, shape: Shape
  ) -> Variable {
    precondition(
      shape.c == width && rows.count == shape.pixels, "Each pixel is a row of the table.")
    let y = Tensor(shape, in: pool)
    let weights = weights(table)
    profile.measure(.elementwise) {
      for (pixel, row) in rows.enumerated() {
        let target = y.pointer + pixel * width
        if let row {
          precondition(
            row >= 0 && (row + 1) * width <= table.range.count, "There is no row \(row).")
          target.update(from: weights + row * width, count: width)
        } else {
          target.update(repeating: 0, count: width)
        }
      }
    }
    return record(y, as: .elementwise, parameters: [table]) { [unowned self] dy in
      // In the order of the pixels, so that rows that stand twice are always added alike.
      let gradient = gradient(table)
      for (pixel, row) in rows.enumerated() {
        guard let row else { continue }
        Elementwise.add(dy.pointer + pixel * width, to: gradient + row * width, count: width)
      }
    }
  }
}
