// Maps of twice the height and width.

/// Nearest-neighbour upsampling by two: each pixel becomes a square of four.
///
/// Legend: `x` (n, h, w, c), `y` (n, 2h, 2w, c), `dx`, `dy` their gradients.
public enum Upsampling {
  /// The extents (n, 2h, 2w, c) of the output.
  public static func outputShape(for x: Shape) -> Shape { Shape(x.n, 2 * x.h, 2 * x.w, x.c) }

  /// y(2i + a, 2j + b) ← x(i, j) for a, b of 0, 1.
  public static func forward(_ x: Tensor, into y: Tensor) {
    forEachPixel(x.shape) { source, target, line in
      for offset in [0, x.shape.c, line, line + x.shape.c] {
        (y.pointer + target + offset).update(from: x.pointer + source, count: x.shape.c)
      }
    }
  }

  /// dx(i, j) ← the sum of dy over the four pixels that came from it.
  public static func backward(_ dy: Tensor, into dx: Tensor) {
    let c = dx.shape.c
    forEachPixel(dx.shape) { target, source, line in
      let (upper, lower) = (dy.pointer + source, dy.pointer + source + line)
      let sum = dx.pointer + target
      for i in 0..<c { sum[i] = (upper[i] + upper[c + i]) + (lower[i] + lower[c + i]) }
    }
  }

  /// Visits each pixel of the small map: where it lies, where its square begins in the large map,
  /// and the length of a line there.
  @inline(__always)
  static func forEachPixel(
    _ x: Shape, _ body: (_ small: Int, _ large: Int, _ line: Int) -> Void
  ) {
    let line = 2 * x.w * x.c
    for row in 0..<x.n * x.h {
      for column in 0..<x.w {
        body((row * x.w + column) * x.c, 2 * row * line + 2 * column * x.c, line)
      }
    }
  }
}
