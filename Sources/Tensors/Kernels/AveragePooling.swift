// Maps of half the height and width.

/// Average pooling by two: each square of four pixels becomes one.
///
/// Legend: `x` (n, 2h, 2w, c), `y` (n, h, w, c), `dx`, `dy` their gradients.
public enum AveragePooling {
  /// The extents (n, h, w, c) of the output; those of the input are even.
  public static func outputShape(for x: Shape) -> Shape {
    precondition(x.h % 2 == 0 && x.w % 2 == 0, "Only even extents can be halved.")
    return Shape(x.n, x.h / 2, x.w / 2, x.c)
  }

  /// y(i, j) ← the mean of x(2i + a, 2j + b) for a, b of 0, 1.
  public static func forward(_ x: Tensor, into y: Tensor) {
    let c = x.shape.c
    Upsampling.forEachPixel(y.shape) { target, source, line in
      let (upper, lower) = (x.pointer + source, x.pointer + source + line)
      let mean = y.pointer + target
      for i in 0..<c { mean[i] = 0.25 * ((upper[i] + upper[c + i]) + (lower[i] + lower[c + i])) }
    }
  }

  /// dx(2i + a, 2j + b) ← a quarter of dy(i, j).
  public static func backward(_ dy: Tensor, into dx: Tensor) {
    let c = dx.shape.c
    Upsampling.forEachPixel(dy.shape) { source, target, line in
      let slope = dy.pointer + source
      for offset in [0, c, line, line + c] {
        let quarter = dx.pointer + target + offset
        for i in 0..<c { quarter[i] = 0.25 * slope[i] }
      }
    }
  }
}
