// The matrices A, B and G of F(4, 3), written out.

/// The points a and b of transforms by the values of polynomials at 0, ±a, ±b and infinity.
protocol InterpolationPoints {
  /// a.
  static var near: Float { get }
  /// b.
  static var far: Float { get }
}

/// 0, ±1, ±2 (Lavin, Gray 2016, section 4.3): the fewest operations.
enum UsualPoints: InterpolationPoints {
  static var near: Float { 1 }
  static var far: Float { 2 }
}

/// 0, ±⅝, ±3⁄2: powers that lie closer together, so that sums cancel less and products of few
/// bits have less than half the error (docs/decisions/0039-points-of-winograd.md).
enum NarrowPoints: InterpolationPoints {
  static var near: Float { 0.625 }
  static var far: Float { 1.5 }
}

typealias ThreeVectors = (Vector, Vector, Vector)
typealias FourVectors = (Vector, Vector, Vector, Vector)
typealias SixVectors = (Vector, Vector, Vector, Vector, Vector, Vector)

/// The one-dimensional transforms of Winograd's F(4, 3), sixteen channels at a time.
///
/// y = Aᵀ[(G g) ⊙ (Bᵀ d)] gives the four outputs of a kernel of three on six inputs with six products
/// instead of twelve. In two dimensions each is applied to the columns and then to the rows: 36
/// products instead of 144.
///
/// With N(x) = x (x² − a²)(x² − b²), the row of Bᵀ for a point p is N(x)/(x − p), that of A is (1, p,
/// p², p³), and that of G is (1, p, p²)/N′(p); for infinity they are N(x), (0, 0, 0, 1) and (0, 0, 1).
enum Winograd<Points: InterpolationPoints> {
  private static var a: Float { Points.near }
  private static var b: Float { Points.far }
  private static var a²: Float { a * a }
  private static var b²: Float { b * b }
  /// 1/N′(±a), 1/N′(±b).
  private static var nearFactor: Float { 1 / (2 * a² * (a² - b²)) }
  private static var farFactor: Float { 1 / (2 * b² * (b² - a²)) }
  /// b²/N′(±b) = −a²/N′(±a).
  private static var squareFactor: Float { 1 / (2 * (b² - a²)) }

  /// Bᵀ d: six inputs.
  @inline(__always)
  static func input(_ d: SixVectors) -> SixVectors {
    let evens = multiplyAdd(d.2, -b², d.4)
    let odds = multiplyAdd(d.1, -b², d.3)
    let nearOdds = multiplyAdd(d.1, -a², d.3)
    let farEvens = multiplyAdd(d.2, -a², d.4)
    return (
      multiplyAdd(d.0, a² * b², multiplyAdd(d.2, -(a² + b²), d.4)),
      multiplyAdd(odds, a, evens), multiplyAdd(odds, -a, evens),
      multiplyAdd(nearOdds, b, farEvens), multiplyAdd(nearOdds, -b, farEvens),
      multiplyAdd(d.1, a² * b², multiplyAdd(d.3, -(a² + b²), d.5))
    )
  }

  /// B v: the gradient of six inputs, from that of their transform.
  @inline(__always)
  static func inputGradient(_ v: SixVectors) -> SixVectors {
    let (near, nearDifference) = (v.1 + v.2, v.2 - v.1)
    let (far, farDifference) = (v.3 + v.4, v.4 - v.3)
    return (
      (a² * b²) * v.0,
      multiplyAdd(
        multiplyAdd(v.5, a, nearDifference), a * b², (a² * b) * farDifference),
      multiplyAdd(v.0, -(a² + b²), multiplyAdd(near, -b², -a² * far)),
      multiplyAdd(v.5, -(a² + b²), multiplyAdd(farDifference, -b, -a * nearDifference)),
      v.0 + near + far, v.5
    )
  }

  /// G g: a kernel.
  @inline(__always)
  static func kernel(_ g: ThreeVectors) -> SixVectors {
    let near = multiplyAdd(g.2, a², g.0) * nearFactor
    let nearMiddle = g.1 * (a * nearFactor)
    let far = multiplyAdd(g.0, farFactor, g.2 * squareFactor)
    let farMiddle = g.1 * (b * farFactor)
    return (
      g.0 * (1 / (a² * b²)), near + nearMiddle, near - nearMiddle, far + farMiddle,
      far - farMiddle, g.2
    )
  }

  /// Aᵀ m: the four outputs.
  @inline(__always)
  static func output(_ m: SixVectors) -> FourVectors {
    let (near, nearDifference) = (m.1 + m.2, m.1 - m.2)
    let (far, farDifference) = (m.3 + m.4, m.3 - m.4)
    return (
      m.0 + near + far, multiplyAdd(farDifference, b, a * nearDifference),
      multiplyAdd(far, b², a² * near),
      multiplyAdd(farDifference, b * b², multiplyAdd(nearDifference, a * a², m.5))
    )
  }

  /// A dy: the gradient of the six products, from that of the four outputs.
  @inline(__always)
  static func outputGradient(_ y: FourVectors) -> SixVectors {
    let (evens, odds) = (multiplyAdd(y.2, a², y.0), multiplyAdd(y.3, a * a², a * y.1))
    let (farEvens, farOdds) = (multiplyAdd(y.2, b², y.0), multiplyAdd(y.3, b * b², b * y.1))
    return (y.0, evens + odds, evens - odds, farEvens + farOdds, farEvens - farOdds, y.3)
  }

  /// Gᵀ du: the gradient of the kernel, from that of its transform.
  @inline(__always)
  static func kernelGradient(_ u: SixVectors) -> ThreeVectors {
    let (near, nearDifference) = (u.1 + u.2, u.1 - u.2)
    let (far, farDifference) = (u.3 + u.4, u.3 - u.4)
    return (
      multiplyAdd(u.0, 1 / (a² * b²), multiplyAdd(near, nearFactor, far * farFactor)),
      multiplyAdd(nearDifference, a * nearFactor, farDifference * (b * farFactor)),
      multiplyAdd(far - near, squareFactor, u.5)
    )
  }
}
